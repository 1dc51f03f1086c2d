//! A layer as one EROFS file (kernel: `fs/erofs/erofs_fs.h`; format: `erofs.docs.kernel.org`).
//!
//! ```text
//! block 0      superblock at byte 1024
//! block 1 …    bytes of files, each file from the start of a block, in the order of the archive
//! then         inodes, each with its extended attributes and, where it fits, its tail
//! then         blocks of larger folders, and of the few link targets that do not fit
//! ```
//!
//! Only features of the first version of the format are used, with blocks of 4 KiB, so that every
//! kernel from 5.4 on can mount it. Decision 0003 has the reasons and the measurements.

mod appender;
#[cfg(any(test, feature = "fuzz"))]
pub(in crate::layer) mod check;
mod folder;
mod format;
mod layout;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::os::unix::fs::FileExt;

use appender::Appender;
use format::{BLOCK_BYTES, superblock};
use layout::Layout;

use super::error::LayerError;
use super::summary::LayerSummary;
use super::tree::Tree;
use super::unpack::LayerWriter;

/// Writes an EROFS file.
pub(super) struct ErofsWriter<'a> {
    file: &'a File,
    out: Appender<'a>,
    start: u64,
    size: u64,
}

impl<'a> ErofsWriter<'a> {
    /// Into an empty file.
    pub(super) fn new(file: &'a File) -> Self {
        Self { file, out: Appender::new(file, BLOCK_BYTES), start: BLOCK_BYTES, size: 0 }
    }
}

impl LayerWriter for ErofsWriter<'_> {
    fn begin_file(&mut self, size: u64) -> Result<u64, LayerError> {
        self.start = self.out.position();
        self.size = size;
        Ok(self.start / BLOCK_BYTES)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), LayerError> {
        self.out.zeros_to(self.start + offset)?;
        self.out.append(bytes)
    }

    fn end_file(&mut self) -> Result<(), LayerError> {
        self.out.zeros_to((self.start + self.size).next_multiple_of(BLOCK_BYTES))
    }

    fn finish(mut self, tree: &Tree, _: &mut LayerSummary) -> Result<(), LayerError> {
        let listing = tree.listing();
        let layout = Layout::new(tree, &listing, self.out.position())?;
        layout.write(&mut self.out)?;
        self.out.flush()?;
        let end = self.out.position();
        self.file.set_len(end).map_err(LayerError::Write)?;
        let block = superblock(layout.first_block(), end / BLOCK_BYTES, listing.nodes().len() as u64);
        self.file.write_all_at(&block, 0).map_err(LayerError::Write)
    }
}
