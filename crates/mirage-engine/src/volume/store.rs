//! The data of volumes, for the control plane.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mirage_core::fault::point_io;
use mirage_core::port::{Archive, VolumeSize, VolumeStore};
use mirage_core::{Code, Error, Result, VolumeId};
use nix::fcntl::{OFlag, RenameFlags, renameat2};
use nix::sys::stat::Mode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::archive;
use super::place::{Place, TRASH};
use super::tree::Tree;
use super::walk::walk;
use crate::local::sweep;
use crate::stream::{PATIENCE, read_by, written_by};

#[cfg(test)]
mod tests;

/// Entries that are counted of a volume: more take too long for a list.
const MAX_COUNTED: u64 = 20_000;

/// Archives that are written or read at once. Each has a thread, which the rest of the control plane needs too.
const ARCHIVES_AT_ONCE: usize = 8;

/// Volumes on this machine.
#[derive(Clone, Debug)]
pub struct LocalVolumes {
    folder: PathBuf,
    archives: Arc<Semaphore>,
    /// How long whoever reads an archive may take nothing of it, and how long one waits for its turn.
    patience: Duration,
}

impl LocalVolumes {
    /// The volumes of a data folder. What was being deleted, or read in, when a control plane ended is
    /// cleared away, in time; no volume is. To be called in a tokio runtime.
    ///
    /// # Errors
    /// `INTERNAL` where the folder cannot be used.
    pub fn open(data: &Path) -> Result<Self> {
        let folder = data.join("volumes");
        let tidy = || {
            DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            let mut trash = Vec::new();
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                if is_trash(&path) {
                    trash.push(path);
                    continue;
                }
                // One volume that withstands does not keep everything else from starting.
                match Place::new(&path).discard_incoming() {
                    Ok(found) => trash.extend(found),
                    Err(error) => {
                        tracing::warn!(%error, path = %path.display(), "what came in for a volume stays until the next start");
                    }
                }
            }
            io::Result::Ok(trash)
        };
        let trash = tidy().map_err(|error| fault("open the folder of the volumes", error))?;
        // It may be much, and nobody has to wait for it.
        tokio::task::spawn_blocking(move || {
            for path in trash {
                if let Err(error) = sweep::remove(&path) {
                    tracing::warn!(%error, path = %path.display(), "what is left of a volume stays until the next start");
                }
            }
        });
        Ok(Self { folder, archives: Arc::new(Semaphore::new(ARCHIVES_AT_ONCE)), patience: PATIENCE })
    }

    /// Waits until an archive may be written or read.
    async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        match timeout(self.patience, Arc::clone(&self.archives).acquire_owned()).await {
            Ok(turn) => turn.map_err(|closed| Error::internal("wait for a turn", closed)),
            Err(_) => Err(Error::new(
                Code::Conflict,
                format!("{ARCHIVES_AT_ONCE} volumes are being backed up or restored already"),
            )
            .hint("ask again when one of them is done")),
        }
    }

    fn place(&self, id: VolumeId) -> Place {
        Place::new(&self.folder.join(id.to_string()))
    }
}

#[async_trait]
impl VolumeStore for LocalVolumes {
    async fn size(&self, id: VolumeId) -> Result<Option<VolumeSize>> {
        let place = self.place(id);
        blocking("measure a volume", move || size(&place)).await
    }

    async fn remove(&self, id: VolumeId) -> Result<()> {
        let place = self.place(id);
        blocking("delete a volume", move || remove(&place)).await
    }

    async fn backup(&self, id: VolumeId) -> Result<Archive> {
        let turn = self.turn().await?;
        let place = self.place(id);
        let opened = blocking("open a volume", move || {
            let held = match place.hold() {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                held => held?,
            };
            Ok(open(&place.data())?.map(|top| (held, top)))
        });
        let (held, top) = opened.await?.ok_or_else(|| {
            Error::new(Code::NotFound, "the volume has no data yet")
                .hint("it gets its first data when a service with it starts, or from a file")
        })?;
        Ok(written_by(self.patience, move |sink| {
            let done = archive::write(&top, sink).and_then(|mut sink| sink.flush());
            drop((held, turn));
            done.map_err(|error| fault("back a volume up", error))
        }))
    }

    async fn restore(&self, id: VolumeId, archive: Archive) -> Result<()> {
        let turn = self.turn().await?;
        let place = self.place(id);
        read_by(archive, move |source| {
            let _turn = turn;
            let doing = |error| fault("restore a volume", error);
            place.make().map_err(doing)?;
            let _alone = place.hold_incoming().map_err(doing)?;
            // Asked now as well as at the end, so that nobody sends gigabytes for a refusal.
            drop(place.hold_alone().map_err(doing)?);
            let done = take(&place, source);
            // What was there before, or what came in: nobody has to wait for it, and whatever was decided stays.
            let cleared =
                place.discard_incoming().and_then(|trash| trash.iter().try_for_each(|it| sweep::remove(it)));
            if let Err(error) = cleared {
                tracing::warn!(%error, volume = %id, "what is left of a volume stays until the next start");
            }
            done
        })
        .await
    }
}

fn is_trash(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(TRASH))
}

fn take(place: &Place, source: impl io::Read) -> Result<()> {
    let incoming = place.incoming();
    let doing = |error| fault("restore a volume", error);
    let prepare = || {
        sweep::remove(&incoming)?;
        DirBuilder::new().mode(0o755).create(&incoming)?;
        Tree::open(&incoming)
    };
    let tree = prepare().map_err(doing)?;
    archive::read(source, &tree).map_err(refused)?;
    swap(place).map_err(doing)
}

/// Has what came in and the data change places. Whoever wants to use the volume waits for no more than that.
fn swap(place: &Place) -> io::Result<()> {
    let _alone = place.hold_alone()?;
    point_io("volume/take")?;
    let (here, incoming, data) = (nix::fcntl::AT_FDCWD, place.incoming(), place.data());
    let how = match data.exists() {
        true => RenameFlags::RENAME_EXCHANGE,
        false => RenameFlags::empty(),
    };
    renameat2(here, &incoming, here, &data, how)?;
    place.settle().inspect_err(|_| {
        // What may not last must not be what is kept.
        let _ = renameat2(here, &data, here, &incoming, how);
    })?;
    point_io("volume/taken")
}

fn size(place: &Place) -> io::Result<Option<VolumeSize>> {
    let Some(top) = open(&place.data())? else { return Ok(None) };
    let mut size = VolumeSize { bytes: 0, complete: true };
    let mut counted = 0;
    walk(&top, |found| {
        size.bytes += u64::try_from(found.stat.st_blocks).unwrap_or(0) * 512;
        counted += 1;
        size.complete = counted < MAX_COUNTED;
        Ok(size.complete)
    })?;
    Ok(Some(size))
}

fn remove(place: &Place) -> io::Result<()> {
    let _alone = match place.hold_alone() {
        // It may have lost its name and not its bytes, the last time.
        Err(error) if error.kind() == ErrorKind::NotFound => return sweep::remove(&place.trash()?),
        held => held?,
    };
    point_io("volume/throw")?;
    let trash = place.throw_away()?;
    point_io("volume/thrown")?;
    sweep::remove(&trash)
}

/// The data; `None` where there is none.
fn open(data: &Path) -> io::Result<Option<OwnedFd>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    match nix::fcntl::open(data, flags, Mode::empty()) {
        Ok(top) => Ok(Some(top)),
        Err(nix::errno::Errno::ENOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|broken| Error::internal(doing, broken))?.map_err(|error| fault(doing, error))
}

/// Why an archive was not taken.
fn refused(error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::InvalidData => {
            Error::new(Code::InvalidRequest, format!("the archive is not taken: {error}"))
                .hint("send what `mirage volume backup` wrote: a tar compressed with zstd")
        }
        ErrorKind::UnexpectedEof => Error::new(Code::InvalidRequest, "the archive breaks off")
            .hint("send the whole file; `mirage volume backup` writes it anew"),
        // The decompressor has no kind of its own for what is none of its format.
        ErrorKind::Other => {
            Error::new(Code::InvalidRequest, "the archive is not compressed with zstd, or damaged")
                .hint("send what `mirage volume backup` wrote: a tar compressed with zstd")
                .because(error)
        }
        _ => fault("restore a volume", error),
    }
}

fn fault(doing: &str, error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::WouldBlock => Error::new(Code::Conflict, "the volume is in use")
            .hint("wait until no instance runs with it, and no backup is being made: `mirage scale NAME 0` stops a service"),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Error::new(Code::DiskFull, format!("Mirage could not {doing}: the disk is full"))
                .hint("free some space, then ask again: `df -h`")
                .because(error)
        }
        ErrorKind::TimedOut => {
            Error::new(Code::DeadlineExceeded, "the archive is broken off: what there was of it was not read")
                .hint("ask again, and read it without long pauses")
        }
        ErrorKind::InvalidFilename => Error::new(Code::Conflict, format!("Mirage could not {doing}: {error}"))
            .hint("move what is nested so deep further up"),
        _ => Error::internal(doing, error),
    }
}
