//! An archive in the making.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, Write};
use std::path::{Path, PathBuf};

use mirage_core::fault::point_io;
use mirage_core::{Code, Error, Result};

use super::error::unwritable;
use super::read::nameless;

/// Drafts of one process id that are passed over.
const MOST_LEFT_BEHIND: u32 = 100;

/// A file that has its name only when it is complete; dropped before, it leaves nothing.
pub struct Draft {
    file: File,
    shown: String,
    goes_to: Goal,
}

enum Goal {
    /// Renamed from here to there.
    File { draft: PathBuf, path: PathBuf },
    /// Copied into what is there already: a pipe, a device.
    Into(PathBuf),
    /// Copied to whoever asks.
    Nowhere,
}

impl Draft {
    /// A draft beside the file it will be. What is there and is no file (a pipe, a device) is written into at
    /// the end, from a file without a name in `spool`.
    ///
    /// # Errors
    /// `INVALID_REQUEST` where there is a folder of this name, or nothing can be written beside it.
    pub fn of(path: &Path, spool: &Path) -> Result<Self> {
        let shown = path.display().to_string();
        let broken = |cause| unwritable(&shown, cause);
        // What a link leads to is replaced, not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => {
                return Err(Error::new(Code::InvalidRequest, format!("`{shown}` is a folder"))
                    .hint("name the file to write, such as `web.tar`"));
            }
            Ok(found) if !found.is_file() => {
                let file = nameless(spool).map_err(broken)?;
                return Ok(Self { file, goes_to: Goal::Into(path), shown });
            }
            _ => {}
        }
        let (draft, file) = beside(&path).map_err(broken)?;
        Ok(Self { file, goes_to: Goal::File { draft, path }, shown })
    }

    /// A draft that is copied to somebody when it is complete; until then it is a file without a name in `spool`.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn nowhere(spool: &Path) -> Result<Self> {
        let shown = format!("{}/…", spool.display());
        let file = nameless(spool).map_err(|cause| unwritable(&shown, cause))?;
        Ok(Self { file, goes_to: Goal::Nowhere, shown })
    }

    /// The file, to be written from its start.
    pub(super) fn file(&self) -> Result<File> {
        self.file.try_clone().map_err(|cause| self.unwritable(cause))
    }

    /// What an error of writing is to the user.
    pub(super) fn unwritable(&self, cause: io::Error) -> Error {
        unwritable(&self.shown, cause)
    }

    /// It is complete: brings it to the disk and gives it its name. Blocks.
    ///
    /// # Errors
    /// `DISK_FULL`, or `INVALID_REQUEST` where it cannot be written.
    pub fn keep(self) -> Result<()> {
        let kept = match &self.goes_to {
            Goal::Nowhere => Ok(()),
            Goal::Into(path) => {
                OpenOptions::new().write(true).open(path).and_then(|mut into| copy(&self.file, &mut into))
            }
            Goal::File { draft, path } => self.file.sync_all().and_then(|()| {
                point_io("archive/name")?;
                fs::rename(draft, path)?;
                point_io("archive/named")?;
                File::open(folder_of(path))?.sync_all()
            }),
        };
        kept.map_err(|cause| self.unwritable(cause))
    }

    /// It is complete: copies all of it. Blocks.
    ///
    /// # Errors
    /// `INVALID_REQUEST` where nobody takes it.
    pub fn copy_to(self, out: &mut impl Write) -> Result<()> {
        copy(&self.file, out).map_err(|cause| unwritable("-", cause))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Goal::File { draft, .. } = &self.goes_to {
            // Where it was kept, it has another name now.
            let _ = fs::remove_file(draft);
        }
    }
}

/// A new file in the same folder. One that a killed process left behind is let be.
fn beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let mut number = 0;
    loop {
        let draft = folder_of(path).join(format!(".mirage-{}-{number}.draft", std::process::id()));
        match OpenOptions::new().read(true).write(true).create_new(true).open(&draft) {
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists && number < MOST_LEFT_BEHIND => {
                number += 1
            }
            file => return file.map(|file| (draft, file)),
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn copy(mut file: &File, out: &mut impl Write) -> io::Result<()> {
    file.rewind()?;
    io::copy(&mut file, out)?;
    out.flush()
}
