//! The data of volumes: a folder each, that outlives every instance.
//!
//! ```text
//! <data>/volumes/<id>/data       what containers see; it has its name once it is complete
//! <data>/volumes/<id>/draft      the image's content on its way there
//! <data>/volumes/<id>/incoming   an archive's content on its way there
//! <data>/volumes/<id>/lock       held shared by whoever uses the data, alone by whoever replaces it
//! <data>/volumes/<id>/writer.lock held by the one instance that runs with it
//! <data>/volumes/.trash-<id>     what is being deleted
//! ```
//!
//! Nothing here is ever removed because nobody uses it: only [`LocalVolumes`] is told to.

mod archive;
mod attributes;
mod first_use;
mod links;
mod place;
mod store;
mod tree;
mod walk;

pub(crate) use first_use::fill;
pub(crate) use place::{Held, Place};
pub use store::LocalVolumes;
