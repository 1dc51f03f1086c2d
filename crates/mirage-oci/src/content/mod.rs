//! The content of images on this machine: blobs by digest, and layers ready to be mounted.
//!
//! ```text
//! <root>/blobs/<algorithm>/<hex>          manifests, configurations, layers pushed to us
//! <root>/layers/<algorithm>/<hex>.erofs   one unpacked layer, as an EROFS file
//! <root>/layers/<algorithm>/<hex>/root/   the same as a directory, where EROFS cannot be mounted
//! <root>/tmp/                             in progress; emptied when the store is opened
//! <root>/lock                             held by the one process that has the store open
//! <run>/layers/<hex16>                    mount points of the EROFS layers
//! ```
//!
//! A name appears only when the bytes behind it are complete and on the disk: everything is written
//! below `tmp`, synced, renamed, and the folder synced. A layer is known by the digest of its
//! compressed blob, which is what a manifest names.

mod blobs;
mod carry;
mod collect;
mod format;
mod hold;
mod layers;
mod loop_device;
mod mounts;
mod store;
mod temporary;
#[cfg(test)]
mod tests;

pub use blobs::BlobWriter;
pub use format::LayerFormat;
pub use hold::Hold;
pub use layers::LayerDraft;
pub use store::{ContentStore, StoreConfig};
