//! Network namespaces, pinned as files so that they outlive every process.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use mirage_core::fault::point_io;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};

const NOTHING: Option<&str> = None;

/// The folder in which network namespaces are pinned.
///
/// It is a mount of its own with private propagation: a shared one (as `ip netns` makes) copies
/// every pin into other mount namespaces, where nobody takes it away again.
#[derive(Clone, Debug)]
pub(crate) struct Pins {
    folder: PathBuf,
}

impl Pins {
    /// Prepares the folder; one that a previous life prepared is taken over.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        if !is_mount_point(&folder)? {
            mount(Some(&folder), &folder, NOTHING, MsFlags::MS_BIND, NOTHING)?;
        }
        mount(NOTHING, &folder, NOTHING, MsFlags::MS_PRIVATE, NOTHING)?;
        Ok(Self { folder })
    }

    /// The file at which the namespace of this name is pinned.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The names of all pins, whether they hold a namespace or not.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    /// Makes a network namespace, runs `prepare` within it, and pins it. `prepare` runs on a thread
    /// of its own, which ends with it: no thread of the caller ever leaves its namespace.
    pub(crate) fn create<T: Send>(
        &self,
        name: &str,
        prepare: impl FnOnce() -> io::Result<T> + Send,
    ) -> io::Result<T> {
        let pin = self.path(name);
        File::create(&pin)?;
        point_io("network/pin")?;
        on_own_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            let prepared = prepare()?;
            mount(Some("/proc/thread-self/ns/net"), &pin, NOTHING, MsFlags::MS_BIND, NOTHING)?;
            Ok(prepared)
        })
    }

    /// Opens the namespace of this name; `None` where nothing is pinned there.
    pub(crate) fn namespace(&self, name: &str) -> io::Result<Option<File>> {
        match File::open(self.path(name)) {
            Ok(file) => Ok((fstatfs(&file)?.filesystem_type() == NSFS_MAGIC).then_some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lets go of the namespace of this name, which ends with its last process.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        let pin = self.path(name);
        unmount(&pin)?;
        match fs::remove_file(&pin) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Takes the folder itself away.
    pub(crate) fn close(&self) -> io::Result<()> {
        for name in self.names()? {
            self.remove(&name)?;
        }
        unmount(&self.folder)?;
        fs::remove_dir(&self.folder)
    }
}

/// Runs `work` within a network namespace, on a thread of its own.
#[cfg(test)]
pub(crate) fn within<T: Send>(
    namespace: &File,
    work: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    use std::os::fd::AsFd;
    on_own_thread(|| {
        nix::sched::setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET)?;
        work()
    })
}

fn on_own_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("namespace".into()).stack_size(128 * 1024);
        thread.spawn_scoped(scope, work)?.join().unwrap_or_else(|_| Err(io::Error::other("the thread broke")))
    })
}

/// Unmounts whatever is mounted at `path`, however often.
fn unmount(path: &Path) -> io::Result<()> {
    loop {
        match umount2(path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
            Ok(()) => {}
            Err(nix::Error::EINVAL | nix::Error::ENOENT) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether something is mounted at this canonical path.
fn is_mount_point(path: &Path) -> io::Result<bool> {
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo")?;
    Ok(mounts.lines().filter_map(|line| line.split(' ').nth(4)).any(|at| unescape(at) == *path))
}

/// `mountinfo` writes space, tab, line feed and backslash as three octal digits.
fn unescape(text: &str) -> PathBuf {
    let codes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    PathBuf::from(codes.iter().fold(text.to_owned(), |text, (code, byte)| text.replace(code, byte)))
}
