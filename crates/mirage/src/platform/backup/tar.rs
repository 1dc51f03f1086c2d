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
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| match at {
            148..156 => u32::from(b' '),
            _ => u32::from(*byte),
        })
        .sum();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = ::tar::Builder::new(Vec::new());
        for (name, content) in entries {
            let mut header = ::tar::Header::new_ustar();
            header.set_entry_type(::tar::EntryType::Regular);
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, name, *content).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Fault> {
        let mut entries = Entries::new(bytes);
        let mut all = Vec::new();
        while let Some(entry) = entries.next()? {
            let mut content = Vec::new();
            let read = entries.read_to_end(&mut content);
            if let Some(fault) = entries.fault() {
                return Err(fault);
            }
            assert_eq!(read.unwrap() as u64, entry.bytes);
            all.push((entry.name, content));
        }
        Ok(all)
    }

    #[test]
    fn what_is_packed_is_read_and_whatever_is_cut_off_is_missed() {
        let long = vec![7; 1500];
        let whole = archive(&[("a/b", &long), ("empty", b""), ("c", b"text")]);
        let read_back = read(&whole).unwrap();
        assert_eq!(
            read_back,
            [("a/b".into(), long), ("empty".into(), vec![]), ("c".into(), b"text".to_vec())]
        );
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), Err(Fault::CutShort), "{end}");
        }
    }

    #[test]
    fn everything_but_a_plain_file_with_a_short_name_is_refused() {
        let refused = |change: fn(&mut ::tar::Header)| {
            let mut header = ::tar::Header::new_ustar();
            header.set_entry_type(::tar::EntryType::Regular);
            header.set_size(0);
            header.set_path("x").unwrap();
            change(&mut header);
            header.set_cksum();
            let mut bytes = header.as_bytes().to_vec();
            bytes.extend([0; 1024]);
            assert!(matches!(read(&bytes), Err(Fault::Damaged(_))), "{header:?}");
        };
        refused(|header| header.set_entry_type(::tar::EntryType::Symlink));
        refused(|header| header.set_entry_type(::tar::EntryType::Directory));
        refused(|header| header.set_entry_type(::tar::EntryType::XHeader));
        refused(|header| header.set_entry_type(::tar::EntryType::GNULongName));
        refused(|header| header.as_mut_bytes()[0] = 0);
        refused(|header| header.as_mut_bytes()[0] = 0xff);
        refused(|header| header.as_mut_bytes()[345] = b'p');
        refused(|header| header.set_size(u64::MAX));
        let mut wrong_sum = archive(&[("x", b"")]);
        wrong_sum[0] = b'y';
        assert!(matches!(read(&wrong_sum), Err(Fault::Damaged(_))));
        let mut behind = archive(&[("x", b"")]);
        let at = behind.len() - 512;
        behind[at] = 1;
        assert!(matches!(read(&behind), Err(Fault::Damaged(_))));
    }
}
