//! Files that are written by the command line: there when they are complete, and gone when it is interrupted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use mirage_core::fault::point_io;
use mirage_core::{Code, Error, Result};
use tokio::signal::unix::{SignalKind, signal};

/// How a process ends that was interrupted, as shells count.
pub(crate) const INTERRUPTED: i32 = 130;

/// Names that are tried for a draft.
const ATTEMPTS: u32 = 100;
/// What the names of drafts begin with; the id of the process follows.
const PREFIX: &str = ".mirage-backup-";
/// What they end with.
const SUFFIX: &str = ".draft";

/// A file that has its name only when it is complete; dropped before, it leaves nothing.
pub(crate) struct Draft {
    file: File,
    draft: PathBuf,
    path: PathBuf,
    force: bool,
}

impl Draft {
    /// A draft in the folder of this file.
    ///
    /// # Errors
    /// `CONFLICT` where the file is there and is not to be replaced.
    pub(crate) fn beside(path: &Path, force: bool) -> Result<Self> {
        if !force && path.symlink_metadata().is_ok() {
            return Err(there_already(path));
        }
        let folder = folder_of(path);
        // Those of processes that were killed. What cannot be cleared away is in nobody's way.
        let _ = clear(folder);
        let (file, draft) = made(folder).map_err(|cause| unwritable(path, cause))?;
        Ok(Self { file, draft, path: path.to_owned(), force })
    }

    /// Adds to it.
    ///
    /// # Errors
    /// `DISK_FULL`, or `INVALID_REQUEST` where it cannot be written.
    pub(crate) fn write(&mut self, chunk: &[u8]) -> Result<()> {
        self.file.write_all(chunk).map_err(|cause| unwritable(&self.path, cause))
    }

    /// Gives it its name, once all of it is on the disk.
    ///
    /// # Errors
    /// As [`Self::beside`] and [`Self::write`].
    pub(crate) fn keep(self) -> Result<()> {
        let path = &self.path;
        let named = self.file.sync_all().and_then(|()| point_io("file/name"));
        let named = named.and_then(|()| match self.force {
            true => fs::rename(&self.draft, path),
            // A file that came to be meanwhile is not replaced either.
            false => fs::hard_link(&self.draft, path).or_else(|cause| match cause.kind() {
                io::ErrorKind::AlreadyExists => Err(cause),
                _ => fs::rename(&self.draft, path),
            }),
        });
        let named = named.and_then(|()| point_io("file/named"));
        named.and_then(|()| File::open(folder_of(path))?.sync_all()).map_err(|cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => there_already(path),
            _ => unwritable(path, cause),
        })
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Where it was kept, it has another name now.
        let _ = fs::remove_file(&self.draft);
    }
}

/// Does this to its end; nothing where the process is to end before.
///
/// # Errors
/// Those of the work.
pub(crate) async fn unless_interrupted<T>(work: impl Future<Output = Result<T>>) -> Result<Option<T>> {
    let listen = |kind| signal(kind).map_err(|error| Error::internal("listen for signals", error));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::select! {
        done = work => done.map(Some),
        _ = interrupt.recv() => Ok(None),
        _ = terminate.recv() => Ok(None),
    }
}

/// Makes a draft, which is locked as long as somebody writes it. A file that is there is nobody's to write to: it may
/// belong to somebody else, who would read the backup.
fn made(folder: &Path) -> io::Result<(File, PathBuf)> {
    for attempt in 0..ATTEMPTS {
        let draft = folder.join(format!("{PREFIX}{}-{attempt}{SUFFIX}", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft) {
            Ok(file) => {
                file.lock()?;
                // Somebody else may have cleared it away between the two.
                if file.metadata()?.nlink() > 0 {
                    return Ok((file, draft));
                }
            }
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(cause),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Removes drafts that nobody writes any more.
fn clear(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_draft = name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        if !is_draft || !entry.file_type()?.is_file() {
            continue;
        }
        let file = File::open(entry.path())?;
        if file.try_lock().is_ok() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn there_already(path: &Path) -> Error {
    Error::new(Code::Conflict, format!("`{}` is there already", path.display()))
        .hint("choose another name, or replace it with `--force`")
}

/// Why a file cannot be written.
pub(crate) fn unwritable(path: &Path, cause: io::Error) -> Error {
    let shown = path.display();
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::new(Code::DiskFull, format!("there is no room for `{shown}`"))
                .hint("free some space, or choose a place with more of it")
                .because(cause)
        }
        _ => Error::new(Code::InvalidRequest, format!("`{shown}` cannot be written: {cause}"))
            .hint("check the path, and who may write there"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|one| one.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_draft_of_a_process_that_was_killed_goes_and_one_that_is_being_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at(".mirage-backup-1.draft"), "of a process that is gone").unwrap();
        fs::write(at(".mirage-backup-1.drafts"), "of somebody else").unwrap();
        let (writing, its) = made(folder.path()).unwrap();
        let its = its.file_name().unwrap().to_str().unwrap().to_owned();
        let mut draft = Draft::beside(&at("file"), false).unwrap();
        draft.write(b"whole").unwrap();
        draft.keep().unwrap();
        assert_eq!(names(folder.path()), [".mirage-backup-1.drafts", its.as_str(), "file"]);
        drop(writing);
        assert_eq!(fs::read(at("file")).unwrap(), b"whole");
        drop(Draft::beside(&at("file"), true).unwrap());
        assert_eq!(names(folder.path()), [".mirage-backup-1.drafts", "file"]);
    }
}
