//! A folder that is being filled, by names that may be anybody's.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, fstatat, mkdirat};
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
        if let Some(name) = path.file_name() {
            match mkdirat(self.above(path)?, name, Mode::S_IRWXU) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(error) => return Err(error.into()),
            }
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
        let file = nix::fcntl::openat(self.above(path)?, name(path)?, flags, Mode::S_IRUSR | Mode::S_IWUSR)?;
        let mut file = File::from(file);
        write_with_holes(&mut file, content, wrote)?;
        attributes.apply(&file)
    }

    /// Makes a symbolic link; where it leads does not matter.
    pub(super) fn link(&self, path: &Path, target: &[u8], attributes: &Attributes) -> io::Result<()> {
        use std::os::unix::ffi::OsStrExt;
        let above = self.above(path)?;
        symlinkat(OsStr::from_bytes(target), &above, name(path)?)?;
        self.own(&above, name(path)?, attributes)
    }

    /// Gives a file that was made before another name.
    pub(super) fn hard_link(&self, path: &Path, existing: &Path) -> io::Result<()> {
        let (from, above) = (self.above(existing)?, self.above(path)?);
        let stat = fstatat(&from, name(existing)?, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        if kind(&stat) != SFlag::S_IFREG {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a hard link to what is no file"));
        }
        Ok(linkat(&from, name(existing)?, &above, name(path)?, AtFlags::empty())?)
    }

    /// Makes a named pipe.
    pub(super) fn pipe(&self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        let above = self.above(path)?;
        mkfifoat(&above, name(path)?, Mode::S_IRUSR | Mode::S_IWUSR)?;
        self.own(&above, name(path)?, attributes)?;
        let mode = Mode::from_bits_truncate(attributes.mode);
        Ok(fchmodat(&above, name(path)?, mode, FchmodatFlags::FollowSymlink)?)
    }

    /// Makes everything last that was written.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(nix::unistd::syncfs(&self.top)?)
    }

    /// How many bytes there is room for.
    pub(super) fn free_bytes(&self) -> io::Result<u64> {
        let stat = nix::sys::statvfs::fstatvfs(&self.top)?;
        Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
    }

    fn own(&self, above: &OwnedFd, name: &OsStr, attributes: &Attributes) -> io::Result<()> {
        let (uid, gid) = (Uid::from_raw(attributes.uid), Gid::from_raw(attributes.gid));
        Ok(fchownat(above, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?)
    }

    fn above(&self, path: &Path) -> io::Result<OwnedFd> {
        let above = path.parent().unwrap_or(Path::new(""));
        Ok(beneath(&self.top, above, OFlag::O_PATH | OFlag::O_DIRECTORY)?)
    }
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
