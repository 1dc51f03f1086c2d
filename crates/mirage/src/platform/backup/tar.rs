//! Reads the archives of backups: the plain entries that they have, and nothing else.

use std::io::{self, Read};

use ring::digest::{Context, SHA256};

use super::hex;

const BLOCK: usize = 512;

/// Why an archive cannot be read on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It ends before its end.
    CutShort,
    /// It is something else than what is written.
    Damaged(&'static str),
    /// It cannot be read at all.
    Unreadable(io::ErrorKind),
}

/// An entry that is being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) bytes: u64,
}

/// The entries of an archive, one after the other.
pub(super) struct Entries<R> {
    inner: R,
    /// Bytes of the current entry that were not read yet.
    left: u64,
    /// Bytes after them, up to the next block.
    padding: u64,
    context: Context,
    fault: Option<Fault>,
}

impl<R: Read> Entries<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, left: 0, padding: 0, context: Context::new(&SHA256), fault: None }
    }

    /// The next entry; nothing at the end of the archive. The one before has to be read to its end.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, Fault> {
        if self.left > 0 {
            return Err(Fault::Damaged("an entry is longer than it should be"));
        }
        let mut block = [0; BLOCK];
        let padding = usize::try_from(self.padding).unwrap_or(0);
        self.fill(&mut block[..padding])?;
        self.fill(&mut block)?;
        if block.iter().all(|byte| *byte == 0) {
            self.fill(&mut block)?;
            return match block.iter().all(|byte| *byte == 0) {
                true => Ok(None),
                false => Err(Fault::Damaged("something stands behind its end")),
            };
        }
        let entry = entry(&block).ok_or(Fault::Damaged("an entry of it is none of a backup"))?;
        self.left = entry.bytes;
        self.padding = entry.bytes.wrapping_neg() % BLOCK as u64;
        self.context = Context::new(&SHA256);
        Ok(Some(entry))
    }

    /// The SHA-256 of what was read of the current entry.
    pub(super) fn sha256(&self) -> String {
        hex(self.context.clone().finish().as_ref())
    }

    /// What kept the current entry from being read, if anything did.
    pub(super) fn fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Fault> {
        self.inner.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Fault::CutShort,
            kind => Fault::Unreadable(kind),
        })
    }
}

/// The bytes of the current entry.
impl<R: Read> Read for Entries<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        match self.inner.read(&mut buffer[..most]) {
            Ok(0) => {
                self.fault = Some(Fault::CutShort);
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Ok(count) => {
                self.context.update(&buffer[..count]);
                self.left -= count as u64;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.fault = Some(Fault::Unreadable(error.kind()));
                Err(error)
            }
        }
    }
}

/// An ordinary file with a short name; nothing for everything else that a tar archive could hold.
fn entry(block: &[u8; BLOCK]) -> Option<Entry> {
    let sum: u32 = block.iter().enumerate().map(|(at, byte)| match at {
        148..156 => u32::from(b' '),
        _ => u32::from(*byte),
    }).sum();
    if &block[257..262] != b"ustar" || octal(&block[148..156])? != u64::from(sum) || block[156] != b'0' {
        return None;
    }
    let name = text(&block[..100])?;
    let prefix = text(&block[345..500])?;
    let fit = !name.is_empty() && prefix.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    fit.then_some(Entry { name: name.to_owned(), bytes: number(&block[124..136])? })
}

fn text(field: &[u8]) -> Option<&str> {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    str::from_utf8(&field[..end]).ok()
}

/// A size: octal digits, or from 8 GiB on the number itself.
fn number(field: &[u8]) -> Option<u64> {
    match field {
        [0x80, 0, 0, 0, rest @ ..] => Some(u64::from_be_bytes(rest.try_into().ok()?)),
        _ => octal(field),
    }
    // Nothing that is added to it may overflow.
    .filter(|bytes| *bytes < 1 << 60)
}

fn octal(field: &[u8]) -> Option<u64> {
    let digits = text(field)?.trim_matches(' ');
    u64::from_str_radix(digits, 8).ok()
}
