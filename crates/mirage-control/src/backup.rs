//! A copy of everything, for another machine or another day.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use anyhow::anyhow;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use mirage_core::{Code, Digest, Error, EventKind, Result};
use tokio::sync::OwnedMutexGuard;

use crate::Control;
use crate::access::{Action, Actor};
use crate::images;

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

/// The turn of one backup: nobody else makes one for as long as it is held. Whoever packs holds it until the last byte
/// is out, nobody wants it any more, or nothing of it is taken for too long.
#[derive(Debug)]
pub struct Alone {
    _held: OwnedMutexGuard<()>,
}

/// How a backup is made: by those parts of the platform that have what goes into it.
#[derive(Clone)]
pub struct Pack(Arc<Packer>);

type Packer = dyn Fn(ToPack, Alone) -> BoxFuture<'static, Result<Backup>> + Send + Sync;

impl Pack {
    /// Made by this.
    pub fn new(
        packer: impl Fn(ToPack, Alone) -> BoxFuture<'static, Result<Backup>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(packer))
    }

    /// Not made at all, for platforms that are put together without what could be packed.
    pub fn nothing() -> Self {
        Self::new(|_, _| {
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
        (self.parts.pack.0)(ToPack { images }, Alone { _held: alone }).await
    }
}
