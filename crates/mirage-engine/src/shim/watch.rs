//! Whether the instance's folder is still there: a shim without one ends its container.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::client::SOCKET_FILE;

/// How often it is looked at. The kernel would tell, but to 128 listeners of a user only, among whom
/// are the programs in containers.
const LOOK: Duration = Duration::from_secs(5);

/// Looks whether the shim's socket is there.
pub(super) struct FolderWatch {
    socket: PathBuf,
    next: Instant,
    gone: bool,
}

impl FolderWatch {
    /// Watches the folder of a shim that listens already.
    pub(super) fn new(dir: &Path, now: Instant) -> Self {
        Self { socket: dir.join(SOCKET_FILE), next: now + LOOK, gone: false }
    }

    /// When to look next; there is no need once the folder is gone.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        (!self.gone).then_some(self.next)
    }

    /// Whether the folder, or the socket by which we are found, is gone, looking if it is time to.
    pub(super) fn is_gone(&mut self, now: Instant) -> bool {
        if now >= self.next && !self.gone {
            self.next = now + LOOK;
            self.look();
        }
        self.gone
    }

    /// The same, looking at once.
    pub(super) fn look(&mut self) -> bool {
        // A disk that answers badly for a moment is no reason to end a container.
        let seen = std::fs::symlink_metadata(&self.socket).map_err(|error| error.kind());
        self.gone |= matches!(seen, Err(ErrorKind::NotFound | ErrorKind::NotADirectory));
        self.gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_missed_at_the_next_look() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(SOCKET_FILE), "").unwrap();
        let start = Instant::now();
        let mut watch = FolderWatch::new(folder.path(), start);
        assert!(!watch.is_gone(start + LOOK));
        std::fs::remove_file(folder.path().join(SOCKET_FILE)).unwrap();
        assert!(!watch.is_gone(start + LOOK), "one look is enough for a while");
        assert_eq!(watch.wake_at(), Some(start + 2 * LOOK));
        assert!(watch.is_gone(start + 2 * LOOK));
        assert_eq!(watch.wake_at(), None);
    }
}
