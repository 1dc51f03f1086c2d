//! An archive that is looked through for its files, and not unpacked.

use std::io::{Read, Write};

use super::compression::{Compression, Decoder};
use super::error::LayerError;
use super::limits::LayerLimits;
use super::tar::{EntryKind, TarReader};

/// Reads the members of an archive, one after the other.
pub(crate) struct Members<R> {
    reader: TarReader<R>,
    compression: Compression,
}

/// A member of an archive.
pub(crate) struct Member {
    /// Its path, as written.
    pub(crate) path: Vec<u8>,
    pub(crate) kind: MemberKind,
}

/// What a member is.
pub(crate) enum MemberKind {
    /// A file whose bytes stand in one piece.
    File {
        /// Where they begin, in the inflated archive.
        at: u64,
        /// How many there are.
        size: u64,
    },
    Folder,
    /// Another place, from the folder of the link on.
    Symlink(Vec<u8>),
    /// Another name of a file, from the root of the archive on.
    HardLink(Vec<u8>),
    /// A device, a pipe, or a file with holes.
    Other,
}

impl<R: Read> Members<R> {
    /// Of a stream that may be compressed.
    pub(crate) fn new(stream: R, limits: &LayerLimits) -> Result<Self, LayerError> {
        let decoder = Decoder::by_first_bytes(stream)?;
        let compression = decoder.compression();
        Ok(Self { reader: TarReader::new(decoder, limits), compression })
    }

    /// Writes every byte of the inflated archive to `copy` too, as it is read.
    pub(crate) fn copy_to(&mut self, copy: impl Write + Send + 'static) {
        self.reader.copy_to(copy);
    }

    /// How the archive as a whole is compressed.
    pub(crate) fn compression(&self) -> Compression {
        self.compression
    }

    /// The next member, or `None` at the end of the archive.
    pub(crate) fn next_member(&mut self) -> Result<Option<Member>, LayerError> {
        let Some(entry) = self.reader.next_entry()? else { return Ok(None) };
        let kind = match (entry.kind, self.reader.body_at()) {
            (EntryKind::File(size), Some(at)) => MemberKind::File { at, size },
            (EntryKind::Directory, _) => MemberKind::Folder,
            (EntryKind::Symlink(target), _) => MemberKind::Symlink(target),
            (EntryKind::HardLink(target), _) => MemberKind::HardLink(target),
            _ => MemberKind::Other,
        };
        Ok(Some(Member { path: entry.path, kind }))
    }

    /// Hands out the bytes of the current file.
    pub(crate) fn read(&mut self, mut take: impl FnMut(&[u8])) -> Result<(), LayerError> {
        self.reader.read_body(|_, bytes| {
            take(bytes);
            Ok(())
        })
    }

    /// Reads what follows the archive, to the last byte.
    pub(crate) fn finish(self) -> Result<(), LayerError> {
        self.reader.finish().map(drop)
    }
}
