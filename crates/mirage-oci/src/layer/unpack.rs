//! The one pass: entries into the tree, bytes of files to the disk, then the tree itself.

use std::io::Read;

use super::compression::{Compression, Decoder};
use super::error::LayerError;
use super::limits::LayerLimits;
use super::summary::LayerSummary;
use super::tar::{EntryKind, TarReader};
use super::tree::{Applied, Tree};

/// Where a layer goes.
pub(super) trait LayerWriter {
    /// Makes room for a file of `size` bytes; answers with its place, in terms of its own.
    fn begin_file(&mut self, size: u64) -> Result<u64, LayerError>;

    /// Writes a part of that file. Parts come in order; what is left out between them is zeros.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), LayerError>;

    /// That file is complete.
    fn end_file(&mut self) -> Result<(), LayerError>;

    /// All files are there: writes the tree around them.
    fn finish(self, tree: &Tree, summary: &mut LayerSummary) -> Result<(), LayerError>;
}

/// Unpacks a compressed stream into `writer`, and reads it to its end.
pub(super) fn unpack(
    stream: impl Read,
    compression: Compression,
    limits: &LayerLimits,
    mut writer: impl LayerWriter,
) -> Result<LayerSummary, LayerError> {
    let mut summary = LayerSummary::default();
    let decoder = Decoder::new(stream, compression, &mut summary)?;
    let mut reader = TarReader::new(decoder, limits);
    let mut tree = Tree::new(limits);
    let mut apparent = 0u64;
    while let Some(entry) = reader.next_entry()? {
        summary.entries += 1;
        if summary.entries > u64::from(limits.max_entries) {
            return Err(LayerError::more_than("entries", u64::from(limits.max_entries)));
        }
        let mut place = 0;
        if let EntryKind::File(size) = entry.kind {
            apparent = apparent.saturating_add(size);
            if apparent > limits.max_apparent_bytes {
                return Err(LayerError::larger_than(
                    "the size of its files together",
                    limits.max_apparent_bytes,
                ));
            }
            place = writer.begin_file(size)?;
            reader.read_body(|offset, bytes| writer.write(offset, bytes))?;
            writer.end_file()?;
        }
        if let Applied::WithoutXattrs(_) = tree.apply(&entry, place)? {
            summary.warn("extended attributes that only a host may set were left out");
        }
    }
    summary.unpacked_bytes = reader.finish()?;
    writer.finish(&tree, &mut summary)?;
    Ok(summary)
}
