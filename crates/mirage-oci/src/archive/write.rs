//! A tar archive as it is written: the same image gives the same bytes.

use std::io::{self, Seek, SeekFrom, Write};

use tar::{EntryType, Header};

const BLOCK_BYTES: u64 = 512;
/// What fits into a header.
const MAX_PATH_BYTES: usize = 100;

/// Writes an archive whose entries belong to root and have no time.
pub(super) struct TarWriter<W> {
    out: W,
    at: u64,
    open: Option<Open>,
}

/// An entry whose bytes are being written.
struct Open {
    header: Box<Header>,
    at: u64,
    size: u64,
}

impl<W: Write + Seek> TarWriter<W> {
    /// An empty archive.
    pub(super) fn new(out: W) -> Self {
        Self { out, at: 0, open: None }
    }

    /// Adds a file.
    pub(super) fn file(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.begin(path)?;
        self.write(bytes)?;
        self.end()
    }

    /// Begins a file of whatever size.
    pub(super) fn begin(&mut self, path: &str) -> io::Result<()> {
        if path.len() > MAX_PATH_BYTES {
            let long = [path.as_bytes(), b"\0"].concat();
            let mut header = header(EntryType::GNULongName, "././@LongLink", long.len() as u64)?;
            header.set_cksum();
            self.put(header.as_bytes())?;
            self.put(&long)?;
            self.pad()?;
        }
        let short = path.get(..path.len().min(MAX_PATH_BYTES)).unwrap_or_default();
        let header = header(EntryType::Regular, short, 0)?;
        self.put(header.as_bytes())?;
        self.open = Some(Open { header: Box::new(header), at: self.at - BLOCK_BYTES, size: 0 });
        Ok(())
    }

    /// The next bytes of the file.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.put(bytes)?;
        if let Some(open) = &mut self.open {
            open.size += bytes.len() as u64;
        }
        Ok(())
    }

    /// The file is complete: its header hears of its size.
    pub(super) fn end(&mut self) -> io::Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        open.header.set_size(open.size);
        open.header.set_cksum();
        self.out.seek(SeekFrom::Start(open.at))?;
        self.out.write_all(open.header.as_bytes())?;
        self.out.seek(SeekFrom::Start(self.at))?;
        self.pad()
    }

    /// The archive is complete. Answers with its size.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.put(&[0; 2 * BLOCK_BYTES as usize])?;
        self.out.flush()?;
        Ok(self.at)
    }

    fn pad(&mut self) -> io::Result<()> {
        let missing = self.at.next_multiple_of(BLOCK_BYTES) - self.at;
        self.put(&[0; BLOCK_BYTES as usize][..missing as usize])
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

fn header(kind: EntryType, path: &str, size: u64) -> io::Result<Header> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_path(path)?;
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    Ok(header)
}
