//! A copy of everything, for another machine or another day.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use mirage_core::{Code, Digest, Error, EventKind, Result};
use tokio::sync::{OwnedMutexGuard, mpsc};
use tokio::time::timeout;

use crate::Control;
use crate::access::{Action, Actor};
use crate::images;

/// How long whoever asked for a backup may take nothing of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A backup on its way out.
pub struct Backup {
    /// The name of the vault's key that has to be kept elsewhere: what is sealed can be opened with no other.
    pub key: Option<String>,
    /// The archive. It is whole only where the last of these is not an error.
    pub bytes: BoxStream<'static, Result<Vec<u8>>>,
}

/// What goes into a backup beside the database and the images of the built-in registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToPack {
    /// Manifests of images whose layers go along.
    pub images: HashSet<Digest>,
}

/// How a backup is made: by those parts of the platform that have what goes into it.
#[derive(Clone)]
pub struct Pack(Arc<Packer>);

type Packer = dyn Fn(ToPack) -> BoxFuture<'static, Result<Backup>> + Send + Sync;

impl Pack {
    /// Made by this.
    pub fn new(
        packer: impl Fn(ToPack) -> BoxFuture<'static, Result<Backup>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(packer))
    }

    /// Not made at all, for platforms that are put together without what could be packed.
    pub fn nothing() -> Self {
        Self::new(|_| {
            Box::pin(async { Err(Error::internal("make a backup", anyhow!("nothing can be packed"))) })
        })
    }
}

impl fmt::Debug for Pack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pack")
    }
}

impl Control {
    /// Makes a backup: of the database as it is now, of the built-in registry, and where `with_images` says so, of
    /// the images of other registries that the kept revisions need. Everybody goes on meanwhile.
    ///
    /// # Errors
    /// `CONFLICT` while another one is being made; `DISK_FULL` where the copy of the database has no room.
    pub async fn backup(&self, actor: &Actor, with_images: bool) -> Result<Backup> {
        self.allow(actor, Action::Backup)?;
        // Each takes room for a copy of the database.
        let alone = Arc::clone(&self.parts.packing).try_lock_owned().map_err(|_| {
            Error::new(Code::Conflict, "another backup is being made").hint("wait for it, then ask again")
        })?;
        let mut tx = self.parts.store.begin().await?;
        let kind = EventKind::BackedUp { images: with_images };
        tx.append(actor.event(self.parts.clock.now(), None, kind)).await?;
        self.parts.announce(tx.commit().await?);
        let images = if with_images { images::kept(&self.parts).await? } else { HashSet::new() };
        let Backup { key, bytes } = (self.parts.pack.0)(ToPack { images }).await?;
        Ok(Backup { key, bytes: taken(bytes, alone, PATIENCE) })
    }
}

/// Hands a backup out to whoever takes it. Over, and the next one may be made, when the last byte is out, nobody wants
/// it any more, or nothing of it was taken for so long; whoever comes back then finds an error at the end.
fn taken(
    mut bytes: BoxStream<'static, Result<Vec<u8>>>,
    alone: OwnedMutexGuard<()>,
    patience: Duration,
) -> BoxStream<'static, Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let _alone = alone;
        loop {
            let next = bytes.next().await;
            let is_last = next.is_none();
            let is_taken = timeout(patience, sender.send(next)).await;
            if is_last || !matches!(is_taken, Ok(Ok(()))) {
                return;
            }
        }
    });
    let chunks = stream::unfold(Some(receiver), move |receiver| async move {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(next) => next.map(|chunk| (chunk, Some(receiver))),
            None => Some((Err(not_taken(patience)), None)),
        }
    });
    chunks.boxed()
}

fn not_taken(patience: Duration) -> Error {
    let message = format!("nothing of the backup was taken for {} s", patience.as_secs());
    Error::new(Code::DeadlineExceeded, message).hint("ask for it again, where it is written as it comes")
}

#[cfg(test)]
mod tests {
    use tokio::sync::Mutex;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_backup_that_nobody_takes_is_over_and_said_to_be_broken() {
        let packing = Arc::new(Mutex::new(()));
        let endless = stream::repeat_with(|| Ok(vec![1])).boxed();
        let mut slow = taken(endless, packing.clone().lock_owned().await, PATIENCE);
        for _ in 0..3 {
            tokio::time::sleep(PATIENCE / 2).await;
            assert_eq!(slow.next().await.unwrap().unwrap(), [1], "slow is not stuck");
        }
        drop(packing.lock().await);
        let rest: Vec<_> = slow.collect().await;
        assert_eq!(rest.last().unwrap().as_ref().unwrap_err().code(), Code::DeadlineExceeded);
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_one_may_be_made_when_the_last_byte_of_one_is_out() {
        let packing = Arc::new(Mutex::new(()));
        let bytes = stream::iter([Ok(vec![1]), Ok(vec![2])]).boxed();
        let all: Vec<_> = taken(bytes, packing.clone().lock_owned().await, PATIENCE).collect().await;
        assert!(all.iter().all(Result::is_ok) && all.len() == 2);
        drop(packing.lock().await);
    }
}
