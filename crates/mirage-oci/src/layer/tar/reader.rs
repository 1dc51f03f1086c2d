//! Entries, one after the other.

use std::io::{Read, Write};

use super::entry::{Entry, EntryKind, Time};
use super::header::{BLOCK_BYTES, Header};
use super::number;
use super::pax::Pax;
use super::sparse::{self, Segment};
use super::stream::Stream;
use crate::layer::compression::Decoder;
use crate::layer::error::LayerError;
use crate::layer::limits::{LayerLimits, MAX_HEADER_BYTES, MAX_SEGMENTS};

/// The longest map of a sparse file as text: two numbers of twenty digits a segment.
const MAX_MAP_BYTES: usize = MAX_SEGMENTS * 42;

/// Reads an archive.
pub(in crate::layer) struct TarReader<R> {
    stream: Stream<R>,
    body: Body,
}

/// What follows the header of the current entry and has not been read.
#[derive(Default)]
struct Body {
    /// Parts of the file that the archive has.
    segments: Vec<Segment>,
    /// Bytes in the archive that have not been read, less the padding.
    remaining: u64,
    /// Bytes up to the next block after those.
    padding: u64,
}

/// What headers in front of an entry said about it.
#[derive(Default)]
struct Ahead {
    pax: Pax,
    long_path: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl<R: Read> TarReader<R> {
    pub(in crate::layer) fn new(decoder: Decoder<R>, limits: &LayerLimits) -> Self {
        Self { stream: Stream::new(decoder, limits), body: Body::default() }
    }

    /// Writes every byte of the archive to `copy` too, as it is read.
    pub(in crate::layer) fn copy_to(&mut self, copy: impl Write + Send + 'static) {
        self.stream.copy_to(Box::new(copy));
    }

    /// Where the bytes of the current entry begin in the inflated archive, if nothing of it has been
    /// read and they stand there in one piece.
    pub(in crate::layer) fn body_at(&self) -> Option<u64> {
        match self.body.segments[..] {
            [Segment { offset: 0, length }] if length == self.body.remaining => Some(self.stream.position()),
            _ => None,
        }
    }

    /// The next entry, or `None` at the end of the archive. Whatever was not read of the previous
    /// entry is passed over.
    pub(in crate::layer) fn next_entry(&mut self) -> Result<Option<Entry>, LayerError> {
        let mut ahead = Ahead::default();
        loop {
            self.finish_body()?;
            let at = self.stream.position();
            let Some(block) = self.stream.block()? else { return Ok(None) };
            if block.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            let header = Header::parse(&block)
                .ok_or_else(|| LayerError::damaged(at, "there is no header where one must be"))?;
            match header.type_flag() {
                b'x' => {
                    ahead.pax = Pax::parse(&self.special(&header, at)?)
                        .map_err(|what| LayerError::damaged(at, what))?
                }
                // Defaults for the entries that follow. Docker and containerd ignore them.
                b'g' => drop(self.special(&header, at)?),
                b'L' => ahead.long_path = Some(until_nul(self.special(&header, at)?)),
                b'K' => ahead.long_link = Some(until_nul(self.special(&header, at)?)),
                _ => return self.entry(&header, ahead, at).map(Some),
            }
        }
    }

    /// Hands out the bytes of the current entry with their place in the file, in order. Places that
    /// are left out are holes.
    pub(in crate::layer) fn read_body(
        &mut self,
        mut take: impl FnMut(u64, &[u8]) -> Result<(), LayerError>,
    ) -> Result<(), LayerError> {
        for Segment { mut offset, mut length } in std::mem::take(&mut self.body.segments) {
            while length > 0 {
                let piece = self.stream.piece(length)?;
                let count = piece.len() as u64;
                self.body.remaining -= count;
                take(offset, piece)?;
                offset += count;
                length -= count;
            }
        }
        Ok(())
    }

    /// Reads what follows the archive, to the last byte. Answers with the inflated size of all.
    pub(in crate::layer) fn finish(mut self) -> Result<u64, LayerError> {
        self.stream.drain()
    }

    fn finish_body(&mut self) -> Result<(), LayerError> {
        let Body { remaining, padding, .. } = std::mem::take(&mut self.body);
        self.stream.skip(remaining)?;
        self.stream.skip(padding)
    }

    /// The bytes of a header that takes more than its block.
    fn special(&mut self, header: &Header<'_>, at: u64) -> Result<Vec<u8>, LayerError> {
        let size = header.size().and_then(|size| u64::try_from(size).ok());
        let size = size.ok_or_else(|| LayerError::damaged(at, "a header has an impossible size"))?;
        if size > MAX_HEADER_BYTES {
            return Err(LayerError::larger_than("an extended header", MAX_HEADER_BYTES));
        }
        self.body = Body { segments: Vec::new(), remaining: size, padding: padding(size) };
        let mut bytes = Vec::new();
        while self.body.remaining > 0 {
            let piece = self.stream.piece(self.body.remaining)?;
            bytes.extend_from_slice(piece);
            self.body.remaining -= piece.len() as u64;
        }
        Ok(bytes)
    }

    fn entry(&mut self, header: &Header<'_>, mut ahead: Ahead, at: u64) -> Result<Entry, LayerError> {
        let pax = &mut ahead.pax;
        let path =
            pax.sparse.name.take().or(ahead.long_path).or(pax.path.take()).unwrap_or_else(|| header.path());
        let link = ahead.long_link.or(pax.link_target.take()).unwrap_or_else(|| header.link_target());
        let bad = |what: &str| LayerError::entry(&path, format!("has {what}"));
        let uid = pax.uid.or(header.uid().and_then(|uid| u64::try_from(uid).ok()));
        let gid = pax.gid.or(header.gid().and_then(|gid| u64::try_from(gid).ok()));
        let mode = header.mode().ok_or_else(|| bad("no valid mode"))?;
        let seconds = header.modified().ok_or_else(|| bad("no valid time"))?;
        let entry = Entry {
            kind: EntryKind::Directory,
            mode: (mode & 0o7777) as u16,
            uid: uid.and_then(owner).ok_or_else(|| bad("no valid owner"))?,
            gid: gid.and_then(owner).ok_or_else(|| bad("no valid group"))?,
            modified: pax.modified.unwrap_or(Time { seconds, nanoseconds: 0 }),
            xattrs: std::mem::take(&mut pax.xattrs),
            path: Vec::new(),
        };
        let kind = self.kind(header, pax, &path, link, at)?;
        Ok(Entry { path, kind, ..entry })
    }

    fn kind(
        &mut self,
        header: &Header<'_>,
        pax: &mut Pax,
        path: &[u8],
        link: Vec<u8>,
        at: u64,
    ) -> Result<EntryKind, LayerError> {
        match header.type_flag() {
            flag @ (0 | b'0' | b'7' | b'S') => {
                let size = self.file_body(header, pax, flag, path, at)?;
                // Version 7 had no folders, only names that end like one.
                let is_folder = flag != b'7' && flag != b'S' && path.ends_with(b"/");
                Ok(if is_folder { EntryKind::Directory } else { EntryKind::File(size) })
            }
            b'1' => Ok(EntryKind::HardLink(link)),
            b'2' => Ok(EntryKind::Symlink(link)),
            b'3' => device(header, path).map(|(major, minor)| EntryKind::CharacterDevice(major, minor)),
            b'4' => device(header, path).map(|(major, minor)| EntryKind::BlockDevice(major, minor)),
            b'5' => Ok(EntryKind::Directory),
            b'6' => Ok(EntryKind::Fifo),
            other => Err(LayerError::entry(
                path,
                format!("is of the type `{}`, which layers cannot have", other.escape_ascii()),
            )),
        }
    }

    /// Finds out where the bytes of a regular file belong; answers with its size, holes included.
    fn file_body(
        &mut self,
        header: &Header<'_>,
        pax: &mut Pax,
        flag: u8,
        path: &[u8],
        at: u64,
    ) -> Result<u64, LayerError> {
        let bad = |what: String| LayerError::entry(path, format!("is damaged: {what}"));
        let stored = pax.size.or(header.size().and_then(|size| u64::try_from(size).ok()));
        let stored = stored.filter(|size| i64::try_from(*size).is_ok());
        let mut stored = stored.ok_or_else(|| LayerError::entry(path, "has no valid size"))?;
        let padding = padding(stored);
        let described = if flag == b'S' {
            Some(self.gnu_segments(header, path, at)?)
        } else if pax.sparse.is_version_1() {
            self.body = Body { segments: Vec::new(), remaining: stored, padding };
            let segments = self.segments_in_body(path)?;
            stored = self.body.remaining;
            Some((segments, pax.sparse.real_size))
        } else {
            pax.sparse.segments.take().map(|segments| (segments, pax.sparse.real_size))
        };
        let Some((segments, size)) = described else {
            let segments = vec![Segment { offset: 0, length: stored }];
            self.body = Body { segments, remaining: stored, padding };
            return Ok(stored);
        };
        let size = size.filter(|size| i64::try_from(*size).is_ok());
        let size = size.ok_or_else(|| bad("a sparse file has no valid size".to_owned()))?;
        sparse::check(&segments, size, stored).map_err(bad)?;
        self.body = Body { segments, remaining: stored, padding };
        Ok(size)
    }

    /// GNU's own form: segments in the header and in the blocks that follow it.
    fn gnu_segments(
        &mut self,
        header: &Header<'_>,
        path: &[u8],
        at: u64,
    ) -> Result<(Vec<Segment>, Option<u64>), LayerError> {
        let bad = |what: String| LayerError::entry(path, format!("is damaged: {what}"));
        let Some((fields, mut more, size)) = header.gnu_sparse() else {
            return Err(LayerError::damaged(at, "a sparse file has a header that is not GNU's"));
        };
        let mut segments = Vec::new();
        sparse::parse_fields(fields, &mut segments).map_err(bad)?;
        while more {
            let block = self.stream.block()?;
            let block = block.ok_or_else(|| bad("the archive ends within its map".to_owned()))?;
            sparse::parse_fields(&block[..504], &mut segments).map_err(bad)?;
            more = block[504] != 0;
        }
        Ok((segments, size.and_then(|size| u64::try_from(size).ok())))
    }

    /// GNU's version 1.0: the map stands as text in front of the bytes, padded to a block.
    fn segments_in_body(&mut self, path: &[u8]) -> Result<Vec<Segment>, LayerError> {
        let bad = |what: &str| LayerError::entry(path, format!("is damaged: {what}"));
        let mut lines: Vec<u8> = Vec::new();
        let mut seen = 0;
        let mut newlines = 0;
        loop {
            if self.body.remaining < BLOCK_BYTES as u64 {
                return Err(bad("a sparse file's map has no end"));
            }
            let block = self.stream.block()?.ok_or_else(|| bad("the archive ends within its map"))?;
            self.body.remaining -= BLOCK_BYTES as u64;
            lines.extend_from_slice(&block);
            newlines += block.iter().filter(|byte| **byte == b'\n').count();
            if newlines == 0 || lines.len() > MAX_MAP_BYTES {
                return Err(bad("a sparse file's map is not made of numbers"));
            }
            if seen == 0 {
                seen = lines.iter().position(|byte| *byte == b'\n').unwrap_or_default() + 1;
            }
            let count = number::decimal(&lines[..seen - 1]).and_then(|count| usize::try_from(count).ok());
            let count = count.filter(|count| *count <= MAX_SEGMENTS);
            let count = count.ok_or_else(|| bad("a sparse file's map has an impossible length"))?;
            if newlines > 2 * count {
                let numbers = lines[seen..].split(|byte| *byte == b'\n').take(2 * count);
                return sparse::parse_list(numbers).map_err(|what| bad(&what));
            }
        }
    }
}

fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK_BYTES as u64) - size
}

fn device(header: &Header<'_>, path: &[u8]) -> Result<(u32, u32), LayerError> {
    // What Linux can encode: twelve bits and twenty.
    let fitting = header.device().and_then(|(major, minor)| {
        let major = u32::try_from(major).ok().filter(|major| *major < 1 << 12)?;
        let minor = u32::try_from(minor).ok().filter(|minor| *minor < 1 << 20)?;
        Some((major, minor))
    });
    fitting.ok_or_else(|| LayerError::entry(path, "has impossible device numbers"))
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        bytes.truncate(end);
    }
    bytes
}

/// All ones is no owner but "leave it" to `chown(2)`.
fn owner(number: u64) -> Option<u32> {
    u32::try_from(number).ok().filter(|number| *number != u32::MAX)
}
