//! The data folder of one platform, and what tells it apart from others on the machine.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mirage_core::port::Randomness;
use mirage_core::{Code, Error, Result};
use mirage_store::Store;
use nix::fcntl::{Flock, FlockArg};

use super::backup;
use mirage_cli::config::run_dir;

const SETTING: &str = "node";
/// How long a process that was killed may take to let go of everything.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks whether it has.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

/// Bytes in which not even the small files of a process find room.
const HARDLY_ROOM: u64 = 64 << 10;

/// The data folder of one platform, held by this process.
pub(crate) struct Node {
    /// Sockets, mount points, state of what runs.
    pub(crate) run: PathBuf,
    /// Held as long as this process decides.
    pub(crate) lock: Flock<File>,
}

impl Node {
    /// Makes the folder if there is none, and takes it for this process.
    pub(crate) fn open(data: &Path) -> Result<Self> {
        let run = run_dir(data);
        for folder in [data, &run] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(|error| cannot_use(folder, error))?;
        }
        // What is made durable in a folder that is not would have no name after a power cut. Whoever may not read the
        // folder above did not make this one.
        if let Ok(above) = File::open(data.parent().unwrap_or(data)) {
            above.sync_all().map_err(|error| cannot_use(data, error))?;
        }
        let lock = lock_patiently(data)?;
        if backup::settle(data)? {
            tracing::info!("a restore that was broken off has been completed");
        }
        Ok(Self { lock, run })
    }

    /// Six digits that name this platform among others on the machine: chosen once, kept.
    pub(crate) async fn id(&self, store: &Store, random: &dyn Randomness) -> Result<String> {
        if let Some(id) = store.setting(SETTING).await? {
            return Ok(id);
        }
        let [a, b, c, ..] = random.bytes32();
        let id = format!("{a:02x}{b:02x}{c:02x}");
        let mut tx = store.begin().await?;
        tx.set_setting(SETTING, &id).await?;
        tx.commit().await?;
        Ok(id)
    }
}

/// The same as [`lock_data_dir`], but that a process which was killed may take a moment until it is gone.
fn lock_patiently(data: &Path) -> Result<Flock<File>> {
    let start = Instant::now();
    loop {
        match lock_data_dir(data) {
            Err(error) if error.code() == Code::Conflict && start.elapsed() < PATIENCE => {
                std::thread::sleep(PAUSE);
            }
            result => return result,
        }
    }
}

/// Takes the data folder for this process; a second one is told who has it.
pub(crate) fn lock_data_dir(data: &Path) -> Result<Flock<File>> {
    let path = data.join("lock");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|error| cannot_use(data, error))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut held) => {
            let written = held.set_len(0).and_then(|()| write!(*held, "{}", std::process::id()));
            written.map_err(|error| cannot_use(data, error))?;
            Ok(held)
        }
        Err((mut file, _)) => {
            let mut pid = String::new();
            // Who holds it is a courtesy; that it is held is the point.
            let _ = (&mut file).take(16).read_to_string(&mut pid);
            Err(Error::new(
                Code::Conflict,
                format!("process {pid} runs a platform in `{}` already", data.display()),
            )
            .hint("stop it first, or choose another folder with `--data-dir`"))
        }
    }
}

/// What there is to say where a file cannot be written because the disk is full.
pub(super) fn full_disk(path: &Path) -> Error {
    Error::new(Code::DiskFull, format!("the disk that holds `{}` is full", path.display()))
        .hint("free some space there, or choose another folder with `--data-dir`, then start again")
}

/// Whether the disk that a file is on has hardly room for another one.
pub(super) fn is_full(path: &Path) -> bool {
    nix::sys::statvfs::statvfs(path).is_ok_and(|found| {
        let free = found.blocks_available().saturating_mul(found.fragment_size());
        free < HARDLY_ROOM || found.files() > 0 && found.files_available() == 0
    })
}

fn cannot_use(folder: &Path, error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return full_disk(folder);
    }
    Error::new(Code::TargetUnavailable, format!("the folder `{}` cannot be used: {error}", folder.display()))
        .hint("choose another one with `--data-dir`")
}
