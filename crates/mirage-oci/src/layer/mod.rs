//! Layers of images: from a compressed tar stream to files that a container can use, in one pass.
//!
//! [`write_erofs`] turns the stream into one EROFS file, [`write_directory`] into a folder. Both do
//! the same with it: [`compression`] inflates, [`tar`] reads entries, [`tree`] decides in memory what
//! the entries mean (links, whiteouts, names that come twice), and only the bytes of regular files
//! go to the disk on the way. The stream is taken for hostile: every size, count and depth has a
//! limit in [`LayerLimits`], and no name in it ever reaches the kernel before the tree is complete.

mod compression;
mod directory;
mod entry_name;
mod erofs;
mod error;
mod inflated;
mod limits;
mod members;
mod summary;
mod tar;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tree;
mod unpack;

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use compression::Compression;
#[cfg(any(test, feature = "fuzz"))]
pub use erofs::check::{Found, FoundXattr, check as check_erofs};
pub use error::LayerError;
pub(crate) use inflated::Inflated;
pub use limits::LayerLimits;
pub(crate) use members::{MemberKind, Members};
pub use summary::LayerSummary;

/// Unpacks a layer into one EROFS file. `file` is empty, open for writing, and left unsynced.
///
/// Reads the stream to its end, also past the end of the archive, so that a digest taken from it
/// covers every byte.
pub fn write_erofs(
    stream: impl Read,
    compression: Compression,
    limits: &LayerLimits,
    file: &File,
) -> Result<LayerSummary, LayerError> {
    unpack::unpack(stream, compression, limits, erofs::ErofsWriter::new(file))
}

/// Unpacks a layer into `folder/root`. `folder` exists, is empty, and nobody else writes into it.
///
/// What an ordinary user may not create (devices, other owners) is left out with a warning.
pub fn write_directory(
    stream: impl Read,
    compression: Compression,
    limits: &LayerLimits,
    folder: &Path,
) -> Result<LayerSummary, LayerError> {
    unpack::unpack(stream, compression, limits, directory::DirectoryWriter::new(folder)?)
}
