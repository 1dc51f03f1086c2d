//! Archives made by hand, for tests that need what no `tar` program writes.

use std::path::Path;

use super::{
    Compression, Found, LayerError, LayerLimits, LayerSummary, check_erofs, write_directory, write_erofs,
};

/// An archive in the making.
#[derive(Clone, Default)]
pub(crate) struct Archive(pub(crate) Vec<u8>);

/// The header of an entry; a test sets what it is about.
#[derive(Clone)]
pub(crate) struct Header {
    pub(crate) path: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) kind: u8,
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    pub(crate) size: u64,
    pub(crate) modified: i64,
    pub(crate) device: (u32, u32),
    pub(crate) magic: &'static [u8; 8],
}

impl Header {
    pub(crate) fn new(kind: u8, path: impl AsRef<[u8]>) -> Self {
        Self {
            path: path.as_ref().to_vec(),
            link: Vec::new(),
            kind,
            mode: if kind == b'5' { 0o755 } else { 0o644 },
            owner: (0, 0),
            size: 0,
            modified: 0,
            device: (0, 0),
            magic: b"ustar\x0000",
        }
    }

    pub(crate) fn block(&self) -> [u8; 512] {
        let mut block = [0; 512];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.path[..self.path.len().min(100)]);
        put(100, format!("{:07o}", self.mode).as_bytes());
        put(108, &number(self.owner.0, 8));
        put(116, &number(self.owner.1, 8));
        put(124, &number(self.size, 12));
        put(136, &time(self.modified));
        put(156, &[self.kind]);
        put(157, &self.link[..self.link.len().min(100)]);
        put(257, self.magic);
        put(329, &number(self.device.0.into(), 8));
        put(337, &number(self.device.1.into(), 8));
        seal(&mut block);
        block
    }
}

/// Writes the checksum of a header.
pub(crate) fn seal(block: &mut [u8; 512]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

impl Archive {
    pub(crate) fn header(mut self, header: &Header) -> Self {
        self.0.extend(header.block());
        self
    }

    /// Bytes behind a header, padded to a block.
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn with_body(self, header: &Header, body: &[u8]) -> Self {
        self.header(&Header { size: body.len() as u64, ..header.clone() }).bytes(body)
    }

    pub(crate) fn file(self, path: impl AsRef<[u8]>, body: &[u8]) -> Self {
        self.with_body(&Header::new(b'0', path), body)
    }

    pub(crate) fn folder(self, path: impl AsRef<[u8]>) -> Self {
        self.header(&Header::new(b'5', path))
    }

    pub(crate) fn symlink(self, path: impl AsRef<[u8]>, target: &str) -> Self {
        self.header(&Header { link: target.into(), ..Header::new(b'2', path) })
    }

    pub(crate) fn hard_link(self, path: impl AsRef<[u8]>, target: &str) -> Self {
        self.header(&Header { link: target.into(), ..Header::new(b'1', path) })
    }

    /// An extended header for the next entry.
    pub(crate) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        self.with_body(&Header::new(b'x', "PaxHeaders/0"), &pax_records(records))
    }

    /// GNU's `L` or `K` in front of the next entry.
    pub(crate) fn gnu_long(self, kind: u8, text: &[u8]) -> Self {
        let header = Header { magic: b"ustar  \0", ..Header::new(kind, "././@LongLink") };
        self.with_body(&header, &[text, b"\0"].concat())
    }

    /// The two blocks that end an archive.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

pub(crate) fn pax_records(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        bytes.extend(format!("{length} {key}=").bytes());
        bytes.extend(*value);
        bytes.push(b'\n');
    }
    bytes
}

fn number(value: u64, width: usize) -> Vec<u8> {
    let text = format!("{value:0digits$o}", digits = width - 1);
    if text.len() < width {
        return text.into_bytes();
    }
    let mut bytes = vec![0; width];
    bytes[width - 8..].copy_from_slice(&value.to_be_bytes());
    bytes[0] |= 0x80;
    bytes
}

fn time(value: i64) -> Vec<u8> {
    match u64::try_from(value) {
        Ok(value) => number(value, 12),
        Err(_) => [[0xff; 4].as_slice(), &value.to_be_bytes()].concat(),
    }
}

/// Unpacks an archive into an EROFS file and reads that with the strict reader.
pub(crate) fn unpack_erofs(archive: &[u8]) -> Result<std::collections::BTreeMap<Vec<u8>, Found>, LayerError> {
    unpack_within(archive, &LayerLimits::default()).map(|(_, found)| found)
}

/// The same with limits, and with the summary.
pub(crate) fn unpack_within(
    archive: &[u8],
    limits: &LayerLimits,
) -> Result<(LayerSummary, std::collections::BTreeMap<Vec<u8>, Found>), LayerError> {
    let file = tempfile::tempfile().unwrap();
    let summary = write_erofs(archive, Compression::None, limits, &file)?;
    Ok((summary, check_erofs(&read_all(&file)).unwrap()))
}

/// Unpacks an archive into a folder.
pub(crate) fn unpack_folder(archive: &[u8], folder: &Path) -> Result<LayerSummary, LayerError> {
    write_directory(archive, Compression::None, &LayerLimits::default(), folder)
}

pub(crate) fn read_all(file: &std::fs::File) -> Vec<u8> {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// The tree as text: path, type and permissions, links, and what is in it.
pub(crate) fn outline(archive: &[u8]) -> String {
    let found = unpack_erofs(archive).unwrap_or_else(|error| panic!("{error}"));
    let mut text = String::new();
    for (path, found) in &found {
        let path = if path.is_empty() { "/".into() } else { String::from_utf8_lossy(path) };
        let content = match found.mode & 0o170_000 {
            0o020_000 if found.device == 0 && found.mode & 0o777 == 0 => " whiteout".to_owned(),
            0o100_000 | 0o120_000 => format!(" {:?}", String::from_utf8_lossy(&found.content)),
            0o040_000
                if found.xattrs.iter().any(|(space, name, _)| *space == 4 && name == b"overlay.opaque") =>
            {
                " opaque".to_owned()
            }
            _ => String::new(),
        };
        let links = match found.mode & 0o170_000 {
            0o040_000 => String::new(),
            _ if found.links == 1 => String::new(),
            _ => format!(" x{}", found.links),
        };
        text.push_str(&format!("{path} {:o}{links}{content}\n", found.mode));
    }
    text
}

/// The sentence with which an archive is refused.
pub(crate) fn refusal(archive: &[u8]) -> String {
    unpack_erofs(archive).expect_err("the archive was accepted").to_string()
}
