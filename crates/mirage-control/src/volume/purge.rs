//! The end of volumes that were removed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mirage_core::fault::pause;
use mirage_core::{EventKind, Result, Volume, VolumeId};
use tokio::time::Instant;
use tracing::{error, info};

use crate::access::Actor;
use crate::parts::Parts;

/// Volumes whose time is over are looked for this often.
const PURGE_EVERY: Duration = Duration::from_secs(600);
/// How long the time of a volume has to have been over, by a clock that nobody sets: one that was wrong for a while
/// must not cost data.
const CONFIRMED: Duration = Duration::from_secs(1800);

/// Deletes volumes whose time is over, for as long as it is let.
pub(crate) async fn purge_forever(parts: Arc<Parts>) {
    let mut purge = Purge::default();
    loop {
        if let Err(error) = purge.round(&parts).await {
            error!(?error, "volumes that were removed could not be deleted");
        }
        tokio::time::sleep(pause(PURGE_EVERY)).await;
    }
}

/// Since when the time of volumes has been over without a break.
#[derive(Default)]
struct Purge {
    over: HashMap<VolumeId, Instant>,
}

impl Purge {
    /// Deletes the volumes that were removed 48 hours ago or earlier. First it is written down that nobody gets them
    /// back, then the data goes, then the record: whatever is killed between goes on here the next time.
    async fn round(&mut self, parts: &Parts) -> Result<()> {
        let now = Instant::now();
        let over = parts.store.volumes_removed_until(Volume::purged_before(parts.clock.now())).await?;
        self.over = over.iter().map(|id| (*id, self.over.get(id).copied().unwrap_or(now))).collect();
        let confirmed: Vec<_> =
            over.into_iter().filter(|id| now - self.over[id] >= pause(CONFIRMED)).collect();
        if !confirmed.is_empty() {
            let mut tx = parts.store.begin().await?;
            tx.begin_purge(Volume::purged_before(parts.clock.now()), &confirmed).await?;
            tx.commit().await?;
        }
        for volume in parts.store.purging_volumes().await? {
            // One that cannot be deleted must not keep the others.
            if let Err(error) = delete(parts, &volume).await {
                error!(volume = %volume.id, ?error, "a volume could not be deleted");
            }
        }
        Ok(())
    }
}

async fn delete(parts: &Parts, volume: &Volume) -> Result<()> {
    parts.volumes.remove(volume.id).await?;
    let mut tx = parts.store.begin().await?;
    tx.delete_volume(volume.id).await?;
    let kind = EventKind::VolumePurged { volume: volume.name.to_string() };
    tx.append(Actor::platform().event(parts.clock.now(), None, kind)).await?;
    parts.announce(tx.commit().await?);
    info!(volume = %volume.id, name = %volume.name, "a volume was deleted, 48 hours after its removal");
    Ok(())
}
