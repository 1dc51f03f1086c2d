//! Making a volume, removing it, and taking that back.

use mirage_core::{Code, Error, EventKind, Name, Result, Volume, VolumeId, VolumeName};

use super::{Among, VolumeRef, VolumeView, not_found};
use crate::Control;
use crate::access::{Action, Actor};
use crate::create::{DEFAULT_ENVIRONMENT, DEFAULT_PROJECT, named};

/// A volume that is to be made.
#[derive(Clone, Debug)]
pub struct NewVolume {
    /// Its name, unique in its environment.
    pub name: VolumeName,
    /// The project; `default` by default.
    pub project: Option<Name>,
    /// The environment; `production` by default.
    pub environment: Option<Name>,
}

impl Control {
    /// Makes a volume that no service has yet. Project and environment are made if they are not there.
    pub async fn create_volume(&self, actor: &Actor, new: NewVolume) -> Result<VolumeView> {
        self.allow(actor, Action::ManageVolumes)?;
        let volume = self.make_volume(actor, new).await?;
        self.volume_view(volume, true).await
    }

    /// Removes a volume that nothing mounts. Its data stays for 48 hours, and so long the removal can be taken
    /// back; its name is free at once.
    pub async fn remove_volume(&self, actor: &Actor, wanted: &VolumeRef) -> Result<VolumeView> {
        self.allow(actor, Action::ManageVolumes)?;
        let found = self.find_volume(wanted, Among::Present).await?;
        let mut tx = self.parts.store.begin().await?;
        let mut volume = tx.volume(found.id).await?.ok_or_else(|| not_found(found.name.as_str()))?;
        if volume.removed_at.is_none() {
            if let Some(path) = tx.volume_mount(&volume).await? {
                let owner = match volume.service {
                    Some(id) => tx.service(id).await?.map(|service| service.name.to_string()),
                    None => None,
                };
                let owner = owner.unwrap_or_default();
                let message = format!("the service `{owner}` has the volume `{}` at `{path}`", volume.name);
                return Err(Error::new(Code::Conflict, message).hint(format!(
                    "take it away first, by `mirage remove {owner}` or by deploying without it"
                )));
            }
            volume.removed_at = Some(self.parts.clock.now());
            // Whoever gets it back starts anew: the name may belong to somebody else by then.
            volume.service = None;
            tx.update_volume(&volume).await?;
            let kind = EventKind::VolumeRemoved { volume: volume.name.to_string() };
            tx.append(actor.event(self.parts.clock.now(), found.service, kind)).await?;
            self.parts.announce(tx.commit().await?);
        }
        self.volume_view(volume, true).await
    }

    /// Takes the removal of a volume back, under another name where one is given.
    pub async fn restore_volume(
        &self,
        actor: &Actor,
        wanted: &VolumeRef,
        name: Option<VolumeName>,
    ) -> Result<VolumeView> {
        self.allow(actor, Action::ManageVolumes)?;
        let found = self.find_volume(wanted, Among::Removed).await?;
        let now = self.parts.clock.now();
        let mut tx = self.parts.store.begin().await?;
        let mut volume = tx.volume(found.id).await?.ok_or_else(|| not_found(found.name.as_str()))?;
        if volume.removed_at.is_none() {
            return Err(Error::new(Code::Conflict, format!("the volume `{}` was not removed", volume.name))
                .hint("there is nothing to take back"));
        }
        if !volume.can_be_restored(now) {
            return Err(Error::new(
                Code::NotFound,
                format!("the time of the volume `{}` is over", volume.name),
            )
            .hint("a removal can be taken back for 48 hours; a backup can be read in at any time"));
        }
        volume.name = name.unwrap_or(volume.name);
        volume.removed_at = None;
        if tx.volume_named(volume.environment, &volume.name).await?.is_some() {
            return Err(
                taken(&volume.name).hint("give it another name: `mirage volume restore NAME --as OTHER`")
            );
        }
        tx.update_volume(&volume).await?;
        let kind = EventKind::VolumeRestored { volume: volume.name.to_string() };
        tx.append(actor.event(self.parts.clock.now(), None, kind)).await?;
        self.parts.announce(tx.commit().await?);
        self.volume_view(volume, true).await
    }

    pub(super) async fn make_volume(&self, actor: &Actor, new: NewVolume) -> Result<Volume> {
        let project = named(new.project, DEFAULT_PROJECT)?;
        let environment = named(new.environment, DEFAULT_ENVIRONMENT)?;
        let mut tx = self.parts.store.begin().await?;
        let (_, environment) = self.place(&mut tx, project, environment).await?;
        if tx.volume_named(environment.id, &new.name).await?.is_some() {
            return Err(taken(&new.name).hint("choose another name; `mirage volume list` shows them"));
        }
        let volume = Volume {
            id: VolumeId::from_random(self.parts.random.bytes16()),
            environment: environment.id,
            name: new.name,
            service: None,
            created_at: self.parts.clock.now(),
            removed_at: None,
        };
        tx.insert_volume(&volume).await?;
        let kind = EventKind::VolumeCreated { volume: volume.name.to_string() };
        tx.append(actor.event(self.parts.clock.now(), None, kind)).await?;
        self.parts.announce(tx.commit().await?);
        Ok(volume)
    }
}

fn taken(name: &VolumeName) -> Error {
    Error::new(Code::NameTaken, format!("there is a volume `{name}` already")).field("name")
}
