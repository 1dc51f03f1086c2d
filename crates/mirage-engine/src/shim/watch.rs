//! Whether the instance's folder is still there: a shim without one ends its container.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::client::SOCKET_FILE;

/// Hears of removals in the folder.
pub(super) struct FolderWatch {
    inotify: Inotify,
    socket: PathBuf,
    gone: bool,
}

impl FolderWatch {
    /// Watches the folder of a shim that listens already.
    ///
    /// # Errors
    /// Whatever the kernel says; `EMFILE` where the user has too many watches.
    pub(super) fn new(dir: &Path) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let flags = AddWatchFlags::IN_DELETE | AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF;
        inotify.add_watch(dir, flags)?;
        Ok(Self { inotify, socket: dir.join(SOCKET_FILE), gone: false })
    }

    /// What to wait on.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Whether the folder, or the socket by which we are found, is gone. Looks only after an event.
    pub(super) fn is_gone(&mut self) -> bool {
        let heard = self.inotify.read_events().is_ok_and(|events| !events.is_empty());
        if heard && !self.gone {
            self.gone = std::fs::symlink_metadata(&self.socket).is_err();
        }
        self.gone
    }
}
