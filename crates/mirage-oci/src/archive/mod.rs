//! Images as files: archives that Docker, Podman and others write, and that they read.
//!
//! Two kinds are known. A docker-archive (`docker save`) has a `manifest.json`, a configuration for each
//! image and its layers as they are unpacked; an oci-archive is an OCI image layout in a tar. What Docker has
//! written since version 25 is both at once, and is read as the second. Either may be compressed as a whole.
//!
//! An archive is read once from its start to its end, whatever comes in it: where each file lies and what
//! its digest is. Layers stay where they are and are sent from there, so that memory does not grow
//! with them; a stream, or an archive that is compressed, goes through a file without a name. Nothing
//! is unpacked and no name in the archive ever reaches the kernel.
//!
//! Layers of a docker-archive are pushed as they are, uncompressed: their digests are then those that the
//! configuration names, so that what the registry has already is found without compressing it first.

mod bundle;
mod docker;
mod draft;
mod error;
mod find;
mod layer;
mod load;
mod names;
mod oci;
mod read;
mod save;
mod source;
#[cfg(test)]
mod tests;
mod write;

pub use draft::Draft;
pub use load::{Loaded, load};
pub use names::Rename;
pub use read::{Archive, Input};
pub use save::{Format, Saved, Wish, save};
pub use source::ImageSource;
