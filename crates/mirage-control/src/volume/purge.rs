//! The end of volumes that were removed.

use std::sync::Arc;
use std::time::Duration;

use mirage_core::{EventKind, Result, Volume};
use tracing::{error, info};

use crate::access::Actor;
use crate::parts::Parts;

/// Volumes whose time is over are looked for this often.
const PURGE_EVERY: Duration = Duration::from_secs(600);

/// Deletes volumes whose time is over, for as long as it is let.
pub(crate) async fn purge_forever(parts: Arc<Parts>) {
    loop {
        if let Err(error) = purge(&parts).await {
            error!(?error, "volumes that were removed could not be deleted");
        }
        tokio::time::sleep(PURGE_EVERY).await;
    }
}

/// Deletes the volumes that were removed 48 hours ago or earlier. First it is written down that nobody gets them
/// back, then the data goes, then the record: whatever is killed between goes on here the next time.
pub(crate) async fn purge(parts: &Parts) -> Result<()> {
    let mut tx = parts.store.begin().await?;
    tx.begin_purge(Volume::purged_before(parts.clock.now())).await?;
    tx.commit().await?;
    for volume in parts.store.purging_volumes().await? {
        // One that cannot be deleted must not keep the others.
        if let Err(error) = delete(parts, &volume).await {
            error!(volume = %volume.id, ?error, "a volume could not be deleted");
        }
    }
    Ok(())
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
