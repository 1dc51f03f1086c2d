//! An archive as a folder. Whoever wrote it may wish us ill.

use std::ffi::{CString, OsStr};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tar::{EntryType, Header};

use super::{BLOCK, EXTENDED, pax};
use crate::volume::attributes::{Attributes, MAX_VALUE, may_be_kept};
use crate::volume::tree::Tree;

/// The most entries.
const MAX_ENTRIES: u64 = 10_000_000;

/// The most that headers before an entry take beyond their blocks, in bytes: some attributes of the largest size.
const MAX_HEADER: u64 = 1 << 20;

/// The longest path, and the longest target of a link, in bytes, as in the kernel.
const MAX_PATH: usize = 4095;

/// The most memory that decompression may take, as a power of two. What zstd makes at its highest ordinary
/// level takes 23.
const MAX_WINDOW: u32 = 26;

/// What is left free of a disk, in bytes: others write to it too.
const RESERVE: u64 = 64 << 20;

/// What an entry takes besides its content, in bytes: a block, of most file systems.
const ENTRY: u64 = 4096;

/// How much is written before the room is looked at again, in bytes.
const LOOK_EVERY: u64 = 16 << 20;

/// What headers before an entry said about it.
#[derive(Default)]
struct Ahead {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    owner: (Option<u32>, Option<u32>),
    modified: Option<(i64, i64)>,
    extended: Vec<(CString, Vec<u8>)>,
    bytes: u64,
}

/// Reads an archive to its last byte, and makes what is in it.
///
/// # Errors
/// `InvalidData` where it is no such archive or has in it what a volume cannot, `StorageFull` where there is
/// no room, and those of reading it.
pub(in crate::volume) fn read(archive: impl Read, tree: &Tree) -> io::Result<()> {
    let mut decoder = zstd::stream::read::Decoder::new(archive)?;
    decoder.window_log_max(MAX_WINDOW)?;
    let mut reader = Reader { stream: decoder, tree, since_look: LOOK_EVERY };
    let mut ahead = Ahead::default();
    let mut entries = 0;
    while let Some(header) = reader.header()? {
        entries += 1;
        if entries > MAX_ENTRIES {
            return Err(bad(format!("it has more than {MAX_ENTRIES} entries")));
        }
        match header.entry_type() {
            EntryType::XHeader => {
                let records = reader.whole(&header, &mut ahead)?;
                ahead.take(&records)?;
            }
            EntryType::XGlobalHeader => drop(reader.whole(&header, &mut ahead)?),
            EntryType::GNULongName => ahead.path = Some(until_nul(reader.whole(&header, &mut ahead)?)),
            EntryType::GNULongLink => ahead.link = Some(until_nul(reader.whole(&header, &mut ahead)?)),
            _ => reader.entry(&header, std::mem::take(&mut ahead))?,
        }
    }
    // The checksum stands at the end.
    io::copy(&mut reader.stream, &mut io::sink())?;
    if entries == 0 {
        return Err(bad("it is empty".into()));
    }
    tree.sync()
}

struct Reader<'a, R> {
    stream: R,
    tree: &'a Tree,
    since_look: u64,
}

impl<R: Read> Reader<'_, R> {
    /// The next header, or `None` at the end.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut header = Header::new_old();
        self.stream.read_exact(header.as_mut_bytes())?;
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let sum: u32 = header
            .as_bytes()
            .iter()
            .enumerate()
            .map(|(at, byte)| match at {
                148..156 => u32::from(b' '),
                _ => u32::from(*byte),
            })
            .sum();
        match header.cksum() {
            Ok(told) if told == sum => Ok(Some(header)),
            _ => Err(bad("there is no header where one must be".into())),
        }
    }

    /// The content of a header that takes more than its block, one of those before an entry.
    fn whole(&mut self, header: &Header, ahead: &mut Ahead) -> io::Result<Vec<u8>> {
        let size = header.entry_size()?;
        ahead.bytes = ahead.bytes.saturating_add(size);
        if ahead.bytes > MAX_HEADER {
            return Err(bad(format!("a header of {} bytes is too large", ahead.bytes)));
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        self.stream.read_exact(&mut bytes)?;
        self.pass(padding(size))?;
        Ok(bytes)
    }

    fn entry(&mut self, header: &Header, ahead: Ahead) -> io::Result<()> {
        let name = ahead.path.clone().unwrap_or_else(|| header.path_bytes().into_owned());
        let path = clean(&name)?;
        let attributes = attributes(header, &ahead)?;
        let extended: usize = attributes.extended.iter().map(|(_, value)| value.len()).sum();
        self.wrote(ENTRY + extended as u64)?;
        let size = match ahead.size {
            Some(size) => size,
            None => header.entry_size()?,
        };
        let link = || {
            let link = ahead.link.clone().or_else(|| header.link_name_bytes().map(|link| link.into_owned()));
            link.filter(|link| !link.is_empty() && link.len() <= MAX_PATH && !link.contains(&0))
                .ok_or_else(|| bad(format!("the link `{}` leads nowhere", shown(&path))))
        };
        let kind = header.entry_type();
        let content = if matches!(kind, EntryType::Regular | EntryType::Continuous) { size } else { 0 };
        let made = match kind {
            EntryType::Regular | EntryType::Continuous => self.file(&path, &attributes, size),
            EntryType::Directory => self.tree.folder(&path, &attributes),
            EntryType::Symlink => self.tree.link(&path, &link()?, &attributes),
            EntryType::Link => self.tree.hard_link(&path, &clean(&link()?)?),
            EntryType::Fifo => self.tree.pipe(&path, &attributes),
            EntryType::Char | EntryType::Block => Err(bad("a volume has no devices".into())),
            other => Err(bad(format!(
                "entries of type `{}` are not understood",
                char::from(other.as_byte()).escape_default()
            ))),
        };
        made.map_err(|error| at(&path, error))?;
        if content != size {
            return Err(bad(format!("`{}` has content and is no file", shown(&path))));
        }
        self.pass(padding(size))
    }

    fn file(&mut self, path: &Path, attributes: &Attributes, size: u64) -> io::Result<()> {
        let Self { stream, tree, since_look } = self;
        let mut content = Exactly { from: stream, left: size };
        tree.file(path, attributes, &mut content, &mut |written| look(tree, since_look, written))
    }

    fn wrote(&mut self, bytes: u64) -> io::Result<()> {
        look(self.tree, &mut self.since_look, bytes)
    }

    fn pass(&mut self, bytes: u64) -> io::Result<()> {
        let passed = io::copy(&mut (&mut self.stream).take(bytes), &mut io::sink())?;
        if passed == bytes { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// Looks every now and then whether there is room for more.
fn look(tree: &Tree, since: &mut u64, written: u64) -> io::Result<()> {
    *since += written;
    if *since < LOOK_EVERY {
        return Ok(());
    }
    *since = 0;
    if tree.has_room(RESERVE)? { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
}

/// So many bytes; fewer are an error.
struct Exactly<'a, R> {
    from: &'a mut R,
    left: u64,
}

impl<R: Read> Read for Exactly<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.from.read(&mut buffer[..most])?;
        if count == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

impl Ahead {
    /// Takes what records say. What is not known here is passed over, as POSIX has it.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        for (name, value) in pax::records(bytes)? {
            let number = || std::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok());
            let wrong = || bad(format!("`{}` is no number", shown_bytes(name)));
            match name {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = Some(number().ok_or_else(wrong)?),
                b"uid" => self.owner.0 = Some(number().and_then(|id| id.try_into().ok()).ok_or_else(wrong)?),
                b"gid" => self.owner.1 = Some(number().and_then(|id| id.try_into().ok()).ok_or_else(wrong)?),
                b"mtime" => self.modified = Some(time(value).ok_or_else(wrong)?),
                _ if name.starts_with(b"GNU.sparse.") => {
                    return Err(bad("sparse files of GNU tar are not understood".into()));
                }
                _ => {
                    let Some(attribute) = name.strip_prefix(EXTENDED) else { continue };
                    if may_be_kept(attribute) && value.len() <= MAX_VALUE {
                        let name = CString::new(attribute).map_err(|_| wrong())?;
                        self.extended.push((name, value.to_vec()));
                    }
                }
            }
        }
        Ok(())
    }
}

fn attributes(header: &Header, ahead: &Ahead) -> io::Result<Attributes> {
    let id = |id: u64| u32::try_from(id).map_err(|_| bad(format!("{id} is no user or group")));
    Ok(Attributes {
        mode: header.mode()? & 0o7777,
        uid: ahead.owner.0.map_or_else(|| id(header.uid()?), Ok)?,
        gid: ahead.owner.1.map_or_else(|| id(header.gid()?), Ok)?,
        modified: match ahead.modified {
            Some(time) => time,
            None => (i64::try_from(header.mtime()?).unwrap_or(0), 0),
        },
        extended: ahead.extended.clone(),
    })
}

/// `1790000000.25` as seconds and nanoseconds.
fn time(value: &[u8]) -> Option<(i64, i64)> {
    let text = std::str::from_utf8(value).ok()?;
    let (seconds, rest) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = rest.chars().chain("000000000".chars()).take(9).collect();
    Some((seconds.parse().ok()?, digits.parse().ok().filter(|nanos| *nanos >= 0)?))
}

/// A path relative to the top, without what means nothing; what leads out of it is refused.
fn clean(name: &[u8]) -> io::Result<PathBuf> {
    if name.len() > MAX_PATH || name.contains(&0) || name.is_empty() {
        return Err(bad(format!("`{}` is no path", shown_bytes(&name[..name.len().min(60)]))));
    }
    if name.starts_with(b"/") || name.split(|byte| *byte == b'/').any(|part| part == b"..") {
        return Err(bad(format!("`{}` leads out of the volume", shown_bytes(name))));
    }
    let parts = name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    Ok(parts.map(OsStr::from_bytes).collect())
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    bytes
}

fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64) - size
}

/// Names the entry where the archive is at fault; a full disk and a broken stream are not its doing.
fn at(path: &Path, error: io::Error) -> io::Error {
    use io::ErrorKind::{AlreadyExists, InvalidFilename, InvalidInput, NotADirectory, NotFound};
    let why = match error.kind() {
        AlreadyExists => "it is there twice".to_owned(),
        NotFound => "its folder does not come before it".to_owned(),
        NotADirectory => "what it would be in is no folder".to_owned(),
        InvalidFilename => "its name is too long".to_owned(),
        _ if error.raw_os_error() == Some(libc::ELOOP) => "it is behind a link".to_owned(),
        io::ErrorKind::InvalidData | InvalidInput => error.to_string(),
        _ => return error,
    };
    bad(format!("`{}` cannot be taken: {why}", shown(path)))
}

fn shown(path: &Path) -> String {
    shown_bytes(path.as_os_str().as_bytes())
}

fn shown_bytes(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(120).collect()
}

fn bad(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
