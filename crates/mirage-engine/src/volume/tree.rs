//! A folder that is being filled, by names that may be anybody's.
//!
//! A folder's time is when something was last made in it. So each time something is, the time is put back that the
//! folder was given: to remember those of all folders until the end would take as much memory as there are folders.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, fstat, fstatat, futimens, mkdirat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchownat, linkat, mkfifoat, symlinkat};

use super::attributes::Attributes;
use super::walk::{beneath, kind};

/// Bytes that are moved at a time.
const CHUNK: usize = 128 << 10;

/// Zeros that are left out of a file: a block of most file systems.
const HOLE: usize = 4096;
const ZEROS: [u8; HOLE] = [0; HOLE];

/// A folder that is being filled. Paths are relative to it and clean, and what is above one must be a folder
/// that was made before: no link is ever followed.
pub(super) struct Tree {
    top: OwnedFd,
}

impl Tree {
    /// Fills this folder.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(Self { top: nix::fcntl::open(folder, flags, Mode::empty())? })
    }

    /// Makes a folder; one that is there, as the top is, gets other attributes.
    pub(super) fn folder(&self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        if path.file_name().is_some() {
            self.make(path, |above, name| match mkdirat(above, name, Mode::S_IRWXU) {
                Ok(()) | Err(Errno::EEXIST) => Ok(()),
                Err(error) => Err(error.into()),
            })?;
        }
        attributes.apply(beneath(&self.top, path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?)
    }

    /// Makes a file with what `content` has, and hands it what was written every now and then.
    pub(super) fn file(
        &self,
        path: &Path,
        attributes: &Attributes,
        content: &mut dyn Read,
        wrote: &mut dyn FnMut(u64) -> io::Result<()>,
    ) -> io::Result<()> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let file = self.make(path, |above, name| Ok(nix::fcntl::openat(above, name, flags, mode)?))?;
        let mut file = File::from(file);
        write_with_holes(&mut file, content, wrote)?;
        attributes.apply(&file)
    }

    /// Makes a symbolic link; where it leads does not matter.
    pub(super) fn link(&self, path: &Path, target: &[u8], attributes: &Attributes) -> io::Result<()> {
        use std::os::unix::ffi::OsStrExt;
        self.make(path, |above, name| {
            symlinkat(OsStr::from_bytes(target), above, name)?;
            own(above, name, attributes)
        })
    }

    /// Gives a file that was made before another name.
    pub(super) fn hard_link(&self, path: &Path, existing: &Path) -> io::Result<()> {
        let from = self.above(existing, OFlag::O_PATH)?;
        let stat = fstatat(&from, name(existing)?, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        if kind(&stat) != SFlag::S_IFREG {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a hard link to what is no file"));
        }
        let existing = name(existing)?;
        self.make(path, |above, name| Ok(linkat(&from, existing, above, name, AtFlags::empty())?))
    }

    /// Makes a named pipe.
    pub(super) fn pipe(&self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        self.make(path, |above, name| {
            mkfifoat(above, name, Mode::S_IRUSR | Mode::S_IWUSR)?;
            own(above, name, attributes)?;
            let mode = Mode::from_bits_truncate(attributes.mode);
            Ok(fchmodat(above, name, mode, FchmodatFlags::FollowSymlink)?)
        })
    }

    /// Makes everything last that was written.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(nix::unistd::syncfs(&self.top)?)
    }

    /// Whether there is room for more than so many bytes, and for more entries: some file systems have as many as
    /// when they were made, and a fiftieth of them is left to others.
    pub(super) fn has_room(&self, reserve: u64) -> io::Result<bool> {
        let stat = nix::sys::statvfs::fstatvfs(&self.top)?;
        let bytes = stat.blocks_available().saturating_mul(stat.fragment_size());
        Ok(bytes >= reserve && stat.files_available() >= stat.files() / 50)
    }

    /// Makes something, and leaves the folder that it is in with the time that it had.
    fn make<T>(&self, path: &Path, make: impl FnOnce(&OwnedFd, &OsStr) -> io::Result<T>) -> io::Result<T> {
        let above = self.above(path, OFlag::O_RDONLY)?;
        let before = fstat(&above)?;
        let made = make(&above, name(path)?)?;
        let modified = TimeSpec::new(before.st_mtime, before.st_mtime_nsec);
        futimens(&above, &TimeSpec::UTIME_OMIT, &modified)?;
        Ok(made)
    }

    fn above(&self, path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
        let above = path.parent().unwrap_or(Path::new(""));
        Ok(beneath(&self.top, above, flags | OFlag::O_DIRECTORY)?)
    }
}

fn own(above: &OwnedFd, name: &OsStr, attributes: &Attributes) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(attributes.uid), Gid::from_raw(attributes.gid));
    Ok(fchownat(above, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?)
}

fn name(path: &Path) -> io::Result<&OsStr> {
    path.file_name().ok_or_else(|| io::Error::from(Errno::EEXIST))
}

fn write_with_holes(
    file: &mut File,
    content: &mut dyn Read,
    wrote: &mut dyn FnMut(u64) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0_u8; CHUNK];
    let mut length = 0_u64;
    loop {
        let count = fill(content, &mut buffer)?;
        if count == 0 {
            break;
        }
        let mut written = 0;
        for piece in buffer[..count].chunks(HOLE) {
            match piece == &ZEROS[..piece.len()] {
                true => drop(file.seek(SeekFrom::Current(piece.len() as i64))?),
                false => {
                    file.write_all(piece)?;
                    written += piece.len() as u64;
                }
            }
        }
        length += count as u64;
        wrote(written)?;
    }
    file.set_len(length)
}

/// Fills the buffer as far as there is something.
fn fill(content: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match content.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
