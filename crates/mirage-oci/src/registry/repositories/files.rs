//! Small files that are complete before they have their name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use mirage_core::fault::point_io;

use crate::folder::make_lasting;

/// Far above a digest or a media type; a longer file is not one of ours.
const MAX_BYTES: u64 = 1024;

/// A folder of small files.
pub(super) struct Files {
    root: PathBuf,
    unfinished: PathBuf,
    counter: AtomicU64,
}

impl Files {
    /// Opens the folder and removes what an earlier process left unfinished.
    pub(super) fn open(root: PathBuf) -> io::Result<Self> {
        let unfinished = root.join("_unfinished");
        match fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => make_lasting(&unfinished, 0o777)?,
        }
        Ok(Self { root, unfinished, counter: AtomicU64::new(0) })
    }

    /// Where everything is below.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The text of a file, or nothing where there is none.
    pub(super) fn read(&self, path: &Path) -> io::Result<Option<String>> {
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut text = String::new();
        file.take(MAX_BYTES + 1).read_to_string(&mut text)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(io::Error::new(ErrorKind::InvalidData, format!("{} is too long", path.display())));
        }
        Ok(Some(text))
    }

    /// Writes a file under another name, brings it to the disk, and renames it.
    pub(super) fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.unfinished.join(number.to_string());
        let written = self.write_new(&unfinished, text).and_then(|()| {
            let folder = self.folder_of(path)?;
            point_io("registry/name")?;
            fs::rename(&unfinished, path)?;
            point_io("registry/named")?;
            File::open(folder)?.sync_all()
        });
        if written.is_err() {
            // Best effort: the folder is emptied at the next start in any case.
            let _ = fs::remove_file(&unfinished);
        }
        written
    }

    /// Makes sure that an empty file exists, which was changed now.
    pub(super) fn mark(&self, path: &Path) -> io::Result<()> {
        let folder = self.folder_of(path)?;
        point_io("registry/mark")?;
        match OpenOptions::new().write(true).create_new(true).open(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                OpenOptions::new().write(true).truncate(true).open(path).map(drop)
            }
            Err(error) => Err(error),
            Ok(_) => point_io("registry/marked").and_then(|()| File::open(folder)?.sync_all()),
        }
    }

    /// Removes a file; answers whether it was there.
    pub(super) fn remove(&self, path: &Path) -> io::Result<bool> {
        point_io("registry/remove")?;
        match fs::remove_file(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
            // What was removed does not come back when the power goes out.
            Ok(()) => point_io("registry/removed")
                .and_then(|()| File::open(path.parent().unwrap_or(path))?.sync_all())
                .map(|()| true),
        }
    }

    fn write_new(&self, path: &Path, text: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    }

    fn folder_of<'a>(&self, path: &'a Path) -> io::Result<&'a Path> {
        let folder = path.parent().unwrap_or(path);
        make_lasting(folder, 0o777)?;
        Ok(folder)
    }
}
