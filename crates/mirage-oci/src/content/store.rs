//! The store itself: where things lie and who may write.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mirage_core::{Code, Digest, DigestAlgorithm, Error, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::format::{self, Choice, LayerFormat};
use super::hold::Holds;
use super::mounts::Mounts;
use super::temporary::{Temporary, remove_tree};
use crate::folder::make_lasting;

/// How long another process may take to let go of the store, and the time between two looks.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(10);

/// Where a content store lies.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Folder of everything that lasts.
    pub root: PathBuf,
    /// Folder of mount points; short, because an overlay's options have little room.
    pub run: PathBuf,
    /// How layers are kept; `None` finds out what the machine can do.
    pub layer_format: Option<LayerFormat>,
}

/// Blobs and layers on this machine. Cheap to clone; calls block on the disk.
#[derive(Clone)]
pub struct ContentStore {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    root: PathBuf,
    choice: Choice,
    counter: AtomicU64,
    mounts: Mutex<Mounts>,
    pub(super) holds: Arc<Holds>,
    _lock: Flock<File>,
}

impl ContentStore {
    /// Opens the store and makes it if there is none. What an earlier life left half-made is
    /// removed; layers it left mounted are taken over.
    ///
    /// Fails with `CONFLICT` where another process has it open, and with `TARGET_UNAVAILABLE` where
    /// the asked layer format cannot be used on this machine.
    pub fn open(config: StoreConfig) -> Result<Self> {
        let StoreConfig { root, run, layer_format } = config;
        for algorithm in [DigestAlgorithm::Sha256, DigestAlgorithm::Sha512] {
            make_folder(&root.join("blobs").join(algorithm.as_str()))?;
            make_folder(&root.join("layers").join(algorithm.as_str()))?;
        }
        make_folder(&run.join("layers"))?;
        let root = root.canonicalize().map_err(|cause| disk_error("open", &root, cause))?;
        let run = run.canonicalize().map_err(|cause| disk_error("open", &run, cause))?;
        let lock = lock(&root)?;
        remove_tree(&root.join("tmp")).map_err(|cause| disk_error("empty", &root.join("tmp"), cause))?;
        make_folder(&root.join("tmp"))?;
        let choice = format::choose(layer_format, &root.join("tmp"), &run)?;
        let mounts = Mounts::adopt(&run.join("layers"), &root.join("layers"), choice.carrier)
            .map_err(|cause| disk_error("read the mounts below", &run, cause))?;
        tracing::debug!(root = %root.display(), format = choice.format.as_str(), "content: store opened");
        Ok(Self {
            inner: Arc::new(Inner {
                root,
                choice,
                counter: AtomicU64::new(0),
                mounts: Mutex::new(mounts),
                holds: Arc::default(),
                _lock: lock,
            }),
        })
    }

    /// How new layers are kept.
    pub fn format(&self) -> LayerFormat {
        self.inner.choice.format
    }

    /// Why they are kept so, for `mirage doctor`: one sentence without a full stop.
    pub fn format_reason(&self) -> &str {
        &self.inner.choice.reason
    }

    /// The folder of everything that lasts; the built-in registry keeps its own folder in it.
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    pub(super) fn place(&self, kind: &str, digest: &Digest) -> PathBuf {
        self.inner.root.join(kind).join(digest.algorithm().as_str()).join(digest.hex())
    }

    pub(super) fn temporary(&self) -> Temporary {
        let number = self.inner.counter.fetch_add(1, Ordering::Relaxed);
        Temporary::new(self.inner.root.join("tmp").join(number.to_string()))
    }

    pub(super) fn mounts(&self) -> MutexGuard<'_, Mounts> {
        self.inner.mounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the finished file or folder at `from` its name and makes the name last.
pub(super) fn publish(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|cause| disk_error("name", to, cause))?;
    let parent = to.parent().unwrap_or(to);
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(|cause| disk_error("sync", parent, cause))
}

/// An error of the disk: `DISK_FULL` where that is the reason, otherwise a fault of Mirage.
pub(super) fn disk_error(doing: &str, path: &Path, cause: io::Error) -> Error {
    match cause.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOSPC | Errno::EDQUOT) => {
            Error::new(Code::DiskFull, format!("the disk that holds `{}` is full", path.display()))
                .hint("free some space, or move the data folder with `--data-dir`")
                .because(cause)
        }
        _ => Error::internal(&format!("{doing} `{}`", path.display()), cause),
    }
}

fn make_folder(path: &Path) -> Result<()> {
    make_lasting(path, 0o700).map_err(|cause| disk_error("make the folder", path, cause))
}

fn lock(root: &Path) -> Result<Flock<File>> {
    let path = root.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|cause| disk_error("open", &path, cause))?;
    let start = Instant::now();
    let mut locked = Flock::lock(file, FlockArg::LockExclusiveNonblock);
    // A process that was killed takes a moment until it has let go of everything.
    while let Err((file, Errno::EWOULDBLOCK)) = locked {
        if start.elapsed() > PATIENCE {
            locked = Err((file, Errno::EWOULDBLOCK));
            break;
        }
        std::thread::sleep(PAUSE);
        locked = Flock::lock(file, FlockArg::LockExclusiveNonblock);
    }
    locked.map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => {
            Error::new(Code::Conflict, format!("`{}` is in use by another process", root.display()))
                .hint("stop the other `mirage serve`, or choose another folder with `--data-dir`")
        }
        _ => disk_error("lock", &path, errno.into()),
    })
}
