//! One inotify instance for all followers, because the kernel gives a user only 128 of them.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

/// How often a follower looks for itself where the kernel has no more to give: to root's processes,
/// those in containers included, it gives so many listeners and watches and no more.
const LOOK: Duration = Duration::from_millis(500);

/// Where followers subscribe. Holds the inotify instance only while there are followers.
#[derive(Clone, Default)]
pub(crate) struct Watcher(Arc<Mutex<Weak<Shared>>>);

impl Watcher {
    /// A follower's place in the watcher. Inside a tokio runtime, which must outlive the subscription.
    pub(crate) fn subscribe(&self) -> io::Result<Subscription> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = match slot.upgrade() {
            Some(shared) => shared,
            None => {
                let source = match Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK) {
                    // SAFETY: `Source` owns its file descriptor for as long as it lives and never exchanges it.
                    Ok(inotify) => Some(unsafe { AsyncFd::register(Source(inotify)) }?),
                    Err(Errno::EMFILE | Errno::ENFILE) => None,
                    Err(error) => return Err(error.into()),
                };
                Arc::new(Shared { source, watches: Mutex::default() })
            }
        };
        *slot = Arc::downgrade(&shared);
        let blind = AtomicBool::new(shared.source.is_none());
        Ok(Subscription { shared, mailbox: Arc::default(), blind })
    }
}

#[cfg(test)]
impl Watcher {
    /// A subscription as it is where the kernel gives no listener.
    pub(crate) fn blind_subscription() -> Subscription {
        let shared = Arc::new(Shared { source: None, watches: Mutex::default() });
        Subscription { shared, mailbox: Arc::default(), blind: AtomicBool::new(true) }
    }

    /// Whether nobody follows.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.lock().unwrap().strong_count() == 0
    }
}

/// What has changed since a follower last asked.
#[derive(Default)]
pub(crate) struct Changes {
    /// Folders in which something was made or written, or which were removed.
    pub(crate) folders: HashSet<PathBuf>,
    /// Events were lost: anything may have changed.
    pub(crate) everything: bool,
}

/// The folders that one follower watches.
pub(crate) struct Subscription {
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    /// The kernel does not tell of every folder.
    blind: AtomicBool,
}

impl Subscription {
    /// Watches a folder, from now on and once even if asked again; `false` where it does not exist.
    pub(crate) fn watch(&self, folder: &Path) -> io::Result<bool> {
        let Some(source) = &self.shared.source else { return Ok(folder.is_dir()) };
        let mut watches = self.shared.watches();
        let mask = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_ONLYDIR
            | AddWatchFlags::IN_DONT_FOLLOW;
        let descriptor = match source.get_ref().0.add_watch(folder, mask) {
            Err(Errno::ENOENT) => return Ok(false),
            Err(Errno::ENOSPC) => {
                self.blind.store(true, Ordering::Relaxed);
                return Ok(true);
            }
            descriptor => descriptor?,
        };
        let watch = watches
            .entry(descriptor)
            .or_insert_with(|| Watch { folder: folder.to_owned(), mailboxes: Vec::new() });
        if !watch.mailboxes.iter().any(|mailbox| Arc::ptr_eq(mailbox, &self.mailbox)) {
            watch.mailboxes.push(Arc::clone(&self.mailbox));
        }
        Ok(true)
    }

    /// Waits until something has changed.
    pub(crate) async fn changed(&self) -> io::Result<Changes> {
        loop {
            let changes = std::mem::take(&mut *self.mailbox.changes());
            if changes.everything || !changes.folders.is_empty() {
                return Ok(changes);
            }
            let blind = self.blind.load(Ordering::Relaxed);
            let Some(source) = self.shared.source.as_ref().filter(|_| !blind) else {
                tokio::time::sleep(LOOK).await;
                return Ok(Changes { everything: true, ..Changes::default() });
            };
            // Whichever follower wakes first reads the events for all of them.
            tokio::select! {
                () = self.mailbox.wake.notified() => {}
                ready = source.readable() => {
                    let mut ready = ready?;
                    match ready.try_io(|source| Ok(source.get_ref().0.read_events()?)) {
                        Ok(events) => self.shared.deliver(events?),
                        Err(_would_block) => {}
                    }
                }
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let Some(source) = &self.shared.source else { return };
        let mut watches = self.shared.watches();
        watches.retain(|descriptor, watch| {
            watch.mailboxes.retain(|mailbox| !Arc::ptr_eq(mailbox, &self.mailbox));
            if watch.mailboxes.is_empty() {
                // EINVAL where the folder is gone, and the watch with it.
                let _ = source.get_ref().0.rm_watch(*descriptor);
            }
            !watch.mailboxes.is_empty()
        });
    }
}

struct Shared {
    /// `None` where the kernel gives no more of them.
    source: Option<AsyncFd<Source>>,
    watches: Mutex<HashMap<WatchDescriptor, Watch>>,
}

struct Watch {
    folder: PathBuf,
    mailboxes: Vec<Arc<Mailbox>>,
}

#[derive(Default)]
struct Mailbox {
    changes: Mutex<Changes>,
    wake: Notify,
}

impl Shared {
    fn watches(&self) -> MutexGuard<'_, HashMap<WatchDescriptor, Watch>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver(&self, events: Vec<InotifyEvent>) {
        let mut watches = self.watches();
        for event in events {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                for mailbox in watches.values().flat_map(|watch| &watch.mailboxes) {
                    mailbox.put(|changes| changes.everything = true);
                }
                continue;
            }
            let Some(watch) = watches.get(&event.wd) else { continue };
            for mailbox in &watch.mailboxes {
                mailbox.put(|changes| {
                    changes.folders.insert(watch.folder.clone());
                });
            }
            if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                watches.remove(&event.wd);
            }
        }
    }
}

impl Mailbox {
    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, change: impl FnOnce(&mut Changes)) {
        change(&mut self.changes());
        self.wake.notify_one();
    }
}

/// The inotify instance, in the form in which tokio takes file descriptors.
struct Source(Inotify);

impl AsRawFd for Source {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}
