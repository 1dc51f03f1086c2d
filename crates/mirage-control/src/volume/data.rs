//! The data of a volume, out and in.

use mirage_core::port::Archive;
use mirage_core::{Code, EventKind, Result, Volume};
use tracing::error;

use super::{Among, NewVolume, VolumeRef, VolumeView};
use crate::Control;
use crate::access::{Action, Actor};

impl Control {
    /// The data of a volume as it is now. A service that writes to it goes on: what comes out is what a machine
    /// would find that lost its power meanwhile.
    pub async fn backup_volume(&self, actor: &Actor, wanted: &VolumeRef) -> Result<(Volume, Archive)> {
        self.allow(actor, Action::ManageVolumes)?;
        let volume = self.find_volume(wanted, Among::Present).await?;
        let archive = self.parts.volumes.backup(volume.id).await?;
        self.tell(actor, &volume, EventKind::VolumeBackedUp { volume: volume.name.to_string() }).await?;
        Ok((volume, archive))
    }

    /// Replaces the data of a volume that no instance uses by that of an archive; a volume that is named and not
    /// there is made. Until the whole archive was read nothing changes.
    pub async fn fill_volume(
        &self,
        actor: &Actor,
        wanted: &VolumeRef,
        archive: Archive,
    ) -> Result<VolumeView> {
        self.allow(actor, Action::ManageVolumes)?;
        let (volume, is_new) = match self.find_volume(wanted, Among::Present).await {
            Ok(volume) => (volume, false),
            Err(error) if error.code() == Code::NotFound => match new_at(wanted) {
                Some(new) => (self.make_volume(actor, new).await?, true),
                None => return Err(error),
            },
            Err(error) => return Err(error),
        };
        if let Err(refused) = self.parts.volumes.restore(volume.id, archive).await {
            if is_new && let Err(error) = self.remove_volume(actor, &VolumeRef::Id(volume.id)).await {
                error!(volume = %volume.id, ?error, "an empty volume stays");
            }
            return Err(refused);
        }
        self.tell(actor, &volume, EventKind::VolumeFilled { volume: volume.name.to_string() }).await?;
        self.volume_view(volume, true).await
    }

    async fn tell(&self, actor: &Actor, volume: &Volume, kind: EventKind) -> Result<()> {
        let mut tx = self.parts.store.begin().await?;
        tx.append(actor.event(self.parts.clock.now(), volume.service, kind)).await?;
        self.parts.announce(tx.commit().await?);
        Ok(())
    }
}

/// The volume that a request would have meant.
fn new_at(wanted: &VolumeRef) -> Option<NewVolume> {
    match wanted.clone() {
        VolumeRef::Id(_) => None,
        VolumeRef::Name(name) => Some(NewVolume { name, project: None, environment: None }),
        VolumeRef::Path { project, environment, name } => {
            Some(NewVolume { name, project: Some(project), environment: Some(environment) })
        }
    }
}
