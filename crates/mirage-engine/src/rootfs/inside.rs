//! Looking into a root file system without being led out of it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2};
use nix::mount::{MntFlags, MsFlags, umount2};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

/// A root file system. Every path is resolved as a process whose root it is would, symbolic links
/// and `..` included; the kernel sees to that (openat2(2), `RESOLVE_IN_ROOT`).
pub(crate) struct Inside {
    root: OwnedFd,
}

impl Inside {
    /// Opens a directory as a root.
    ///
    /// # Errors
    /// Whatever opening a directory gives.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Self { root: nix::fcntl::open(root, flags, Mode::empty())? })
    }

    /// What is at a path, links followed.
    ///
    /// # Errors
    /// `NotFound` and whatever else resolving gives.
    pub(crate) fn stat(&self, path: &Path) -> io::Result<FileStat> {
        Ok(fstat(self.resolve(path, OFlag::O_PATH)?)?)
    }

    /// The first `limit` bytes of a regular file.
    ///
    /// # Errors
    /// `InvalidInput` where it is no regular file, otherwise whatever resolving or reading gives.
    pub(crate) fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        // Looked at before it is opened: opening a pipe or a device already does something.
        if kind(&self.stat(path)?) != SFlag::S_IFREG {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let file = self.resolve(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)?;
        let mut bytes = Vec::new();
        File::from(file).take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// A regular file, to be looked at and executed; not readable where only executing it is allowed.
    ///
    /// # Errors
    /// `InvalidInput` where it is no regular file, otherwise whatever resolving gives.
    pub(crate) fn program(&self, path: &Path) -> io::Result<OwnedFd> {
        let plain = |file: OwnedFd| match kind(&fstat(&file)?) {
            SFlag::S_IFREG => Ok(file),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
        };
        let looked_at = plain(self.resolve(path, OFlag::O_PATH)?)?;
        match self.resolve(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY) {
            Ok(file) => plain(file),
            Err(Errno::EACCES) => Ok(looked_at),
            Err(error) => Err(error.into()),
        }
    }

    /// A directory, to be gone to.
    ///
    /// # Errors
    /// `NotADirectory` and whatever else resolving gives.
    pub(crate) fn directory(&self, path: &Path) -> io::Result<OwnedFd> {
        Ok(self.resolve(path, OFlag::O_PATH | OFlag::O_DIRECTORY)?)
    }

    /// Makes a directory and those above it, where they are missing, for root with mode 0755.
    ///
    /// # Errors
    /// `NotADirectory` where something else is in the way, otherwise whatever the kernel says.
    pub(crate) fn make_directories(&self, path: &Path) -> io::Result<()> {
        let mut reached = PathBuf::from("/");
        for component in path.components().filter(|component| matches!(component, Component::Normal(_))) {
            let parent = self.resolve(&reached, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
            reached.push(component);
            match self.resolve(&reached, OFlag::O_PATH | OFlag::O_DIRECTORY) {
                Ok(_) => {}
                Err(Errno::ENOENT) => {
                    mkdirat(&parent, Path::new(component.as_os_str()), Mode::from_bits_truncate(0o755))?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Opens a directory for reading, and says where it really is in the root.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`, and whatever else resolving gives.
    pub(crate) fn open_directory(&self, path: &Path) -> io::Result<(OwnedFd, PathBuf)> {
        let directory = self.resolve(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
        let root = std::fs::read_link(descriptor_path(&self.root))?;
        let real = std::fs::read_link(descriptor_path(&directory))?;
        match real.strip_prefix(root) {
            Ok(real) => Ok((directory, Path::new("/").join(real))),
            Err(_) => Err(Errno::EXDEV.into()),
        }
    }

    /// Makes sure that a regular file is at a path, so that another one can be bound over it. A link
    /// there is replaced, because images let `/etc/resolv.conf` point to what only a booted system
    /// has.
    ///
    /// # Errors
    /// `IsADirectory`, and whatever the kernel says.
    pub(crate) fn make_file(&self, path: &Path) -> io::Result<()> {
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Errno::EISDIR.into());
        };
        self.make_directories(above)?;
        let above = self.resolve(above, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        match fstatat(&above, name, AtFlags::AT_SYMLINK_NOFOLLOW).map(|stat| kind(&stat)) {
            Ok(SFlag::S_IFREG) => return Ok(()),
            Ok(SFlag::S_IFDIR) => return Err(Errno::EISDIR.into()),
            Ok(_) => unlinkat(&above, name, UnlinkatFlags::NoRemoveDir)?,
            Err(Errno::ENOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        nix::fcntl::openat(&above, name, flags, Mode::from_bits_truncate(0o644))?;
        Ok(())
    }

    /// Hides what the image has in these directories of its root, until the answer is dropped.
    ///
    /// In a running container something else is mounted there, above all `/proc`, whose links lead
    /// to the program that starts the container: Mirage itself. Nothing may be found through them.
    ///
    /// # Errors
    /// `NotADirectory` where the image has something else there, otherwise whatever the kernel says.
    pub(crate) fn veil<'a>(&self, names: &[&'a str]) -> io::Result<Veil<'a>> {
        let mut veil = Veil { root: self.root.try_clone()?, names: Vec::new() };
        let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        for name in names {
            self.make_directories(Path::new(name))?;
            let place = place(&self.root, name)?;
            nix::mount::mount(
                Some("tmpfs"),
                &descriptor_path(&place),
                Some("tmpfs"),
                flags,
                Some("size=4k"),
            )?;
            veil.names.push(name);
        }
        Ok(veil)
    }

    fn resolve(&self, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        openat2(self.root.as_fd(), path, how)
    }
}

/// Directories that are hidden; see [`Inside::veil`].
pub(crate) struct Veil<'a> {
    root: OwnedFd,
    names: Vec<&'a str>,
}

impl Drop for Veil<'_> {
    fn drop(&mut self) {
        for name in &self.names {
            if let Ok(place) = place(&self.root, name) {
                let _ = umount2(&descriptor_path(&place), MntFlags::MNT_DETACH);
            }
        }
    }
}

/// A directory of the root, itself and no link.
fn place(root: &OwnedFd, name: &str) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    nix::fcntl::openat(root, name, flags, Mode::empty())
}

fn descriptor_path(descriptor: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", descriptor.as_raw_fd()))
}

impl std::fmt::Debug for Inside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Inside({})", self.root.as_raw_fd())
    }
}

/// The kind of a file.
pub(super) fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

/// An absolute path without `.` and `..`, taken as text, as container engines clean the paths of an
/// image.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => cleaned.push(name),
            Component::ParentDir => {
                cleaned.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn root() -> (tempfile::TempDir, Inside) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("etc")).unwrap();
        fs::write(folder.path().join("etc/passwd"), "inside").unwrap();
        let inside = Inside::open(folder.path()).unwrap();
        (folder, inside)
    }

    #[test]
    fn links_and_dots_lead_nowhere_but_inside() {
        let (folder, inside) = root();
        symlink("/etc/passwd", folder.path().join("absolute")).unwrap();
        symlink("../../../../../../etc", folder.path().join("upwards")).unwrap();
        for path in ["/absolute", "upwards/passwd", "/../../etc/passwd"] {
            assert_eq!(inside.read(Path::new(path), 100).unwrap(), b"inside", "{path}");
        }
    }

    #[test]
    fn a_read_stops_at_its_limit_and_refuses_what_is_no_file() {
        let (folder, inside) = root();
        assert_eq!(inside.read(Path::new("/etc/passwd"), 3).unwrap(), b"ins");
        nix::unistd::mkfifo(&folder.path().join("pipe"), Mode::from_bits_truncate(0o600)).unwrap();
        assert!(inside.read(Path::new("/pipe"), 3).is_err());
        assert!(inside.read(Path::new("/etc"), 3).is_err());
    }

    #[test]
    fn a_working_directory_is_made_through_links() {
        let (folder, inside) = root();
        symlink("/etc", folder.path().join("conf")).unwrap();
        inside.make_directories(Path::new("/conf/a/b")).unwrap();
        assert!(folder.path().join("etc/a/b").is_dir());
        assert!(inside.make_directories(Path::new("/etc/passwd/x")).is_err());
    }

    #[test]
    fn a_dangling_link_makes_way_for_a_file() {
        let (folder, inside) = root();
        symlink("../run/systemd/resolve/stub-resolv.conf", folder.path().join("etc/resolv.conf")).unwrap();
        inside.make_file(Path::new("/etc/resolv.conf")).unwrap();
        assert!(fs::symlink_metadata(folder.path().join("etc/resolv.conf")).unwrap().is_file());
        inside.make_file(Path::new("/new/file")).unwrap();
        inside.make_file(Path::new("/new/file")).unwrap();
        assert!(inside.make_file(Path::new("/new")).is_err());
    }

    #[test]
    fn paths_of_an_image_are_cleaned_as_text() {
        let cleaned = ["", "app", "/a/../b/./c", "../../x"].map(|path| clean(Path::new(path)));
        assert_eq!(cleaned, ["/", "/app", "/b/c", "/x"].map(PathBuf::from));
    }
}
