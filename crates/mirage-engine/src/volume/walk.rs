//! Everything in a folder, without following a link and without recursion: containers nest as they like.

use std::ffi::CStr;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};

/// Something in a folder.
pub(super) struct Found<'a> {
    parent: &'a Dir,
    name: &'a CStr,
    /// Where it is, from the top.
    pub(super) path: PathBuf,
    /// What it is.
    pub(super) stat: FileStat,
}

impl Found<'_> {
    /// The kind of it.
    pub(super) fn kind(&self) -> SFlag {
        kind(&self.stat)
    }

    /// Opens a regular file or a folder for reading; `None` where it has become something else. A device
    /// or a pipe is never opened: that alone may do something.
    pub(super) fn open(&self) -> io::Result<Option<(File, FileStat)>> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let handle = match nix::fcntl::openat(self.parent, self.name, flags, Mode::empty()) {
            Ok(handle) => handle,
            Err(Errno::ENOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let stat = fstat(&handle)?;
        if kind(&stat) != self.kind() || ![SFlag::S_IFREG, SFlag::S_IFDIR].contains(&kind(&stat)) {
            return Ok(None);
        }
        let path = format!("/proc/self/fd/{}", handle.as_raw_fd());
        Ok(Some((File::open(path)?, stat)))
    }

    /// Where a symbolic link leads; `None` where it has gone.
    pub(super) fn target(&self) -> io::Result<Option<Vec<u8>>> {
        match nix::fcntl::readlinkat(self.parent, self.name) {
            Ok(target) => Ok(Some(target.as_bytes().to_vec())),
            Err(Errno::ENOENT | Errno::EINVAL) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Shows everything below `top` to `visit`, a folder before what is in it, until `visit` says no. What
/// goes away meanwhile is passed over.
pub(super) fn walk(top: &OwnedFd, mut visit: impl FnMut(&Found<'_>) -> io::Result<bool>) -> io::Result<()> {
    let mut folders = vec![PathBuf::new()];
    while let Some(path) = folders.pop() {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        let folder = match beneath(top, &path, flags) {
            Ok(folder) => folder,
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => continue,
            Err(Errno::ENAMETOOLONG) => return Err(too_deep(&path)),
            Err(error) => return Err(error.into()),
        };
        let folder = Dir::from_fd(folder)?;
        let mut entries = Dir::openat(&folder, c".", flags | OFlag::O_CLOEXEC, Mode::empty())?;
        for entry in entries.iter() {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let stat = match fstatat(&folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(Errno::ENOENT) => continue,
                Err(error) => return Err(error.into()),
            };
            let path = path.join(OsStr::from_bytes(name.to_bytes()));
            let found = Found { parent: &folder, name, path, stat };
            if !visit(&found)? {
                return Ok(());
            }
            if found.kind() == SFlag::S_IFDIR {
                folders.push(found.path);
            }
        }
    }
    Ok(())
}

/// Opens a path below a folder, itself and no link, on the same file system.
pub(super) fn beneath(top: impl AsFd, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(
        ResolveFlag::RESOLVE_BENEATH
            | ResolveFlag::RESOLVE_NO_SYMLINKS
            | ResolveFlag::RESOLVE_NO_MAGICLINKS
            | ResolveFlag::RESOLVE_NO_XDEV,
    );
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    openat2(top, path, how)
}

pub(super) fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

fn too_deep(path: &Path) -> io::Error {
    let start: String = path.to_string_lossy().chars().take(60).collect();
    io::Error::new(io::ErrorKind::InvalidFilename, format!("`{start}…` is nested too deep"))
}
