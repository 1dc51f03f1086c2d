//! Volumes: who has which, and what they hold.

mod change;
mod data;
mod own;
mod purge;

use std::str::FromStr;

use mirage_core::port::VolumeSize;
use mirage_core::{Code, Error, MountPath, Name, Result, Volume, VolumeId, VolumeName};
use mirage_store::VolumePage;

use crate::access::{Action, Actor};
use crate::find::{ServiceRef, placed};
use crate::{Control, Listing};

pub use change::NewVolume;
pub(crate) use own::mounted;
pub(crate) use purge::purge_forever;

/// The most volumes of one name that are looked at: one in each environment, and some that were removed.
const MAX_NAMESAKES: u32 = 1_000;
/// The most volumes of a service that are measured together: each is a walk over its files.
const MEASURED: usize = 8;
/// The same of a list.
const MEASURED_OF_ALL: usize = 32;

/// How a request names a volume: by id, by `project/environment/name`, or by name alone where only one
/// volume has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeRef {
    /// Its identity.
    Id(VolumeId),
    /// Its place.
    Path {
        /// The project.
        project: Name,
        /// The environment.
        environment: Name,
        /// The volume.
        name: VolumeName,
    },
    /// Its name; must be the only one.
    Name(VolumeName),
}

/// A volume with everything a face shows of it.
#[derive(Clone, Debug)]
pub struct VolumeView {
    /// The volume.
    pub volume: Volume,
    /// Its project.
    pub project: Name,
    /// Its environment.
    pub environment: Name,
    /// The name of the service it belongs to.
    pub service: Option<Name>,
    /// Where that service has it; `None` where nothing of it mounts it now.
    pub path: Option<MountPath>,
    /// How much is in it; `None` where it has no data yet, or was not measured.
    pub size: Option<VolumeSize>,
    /// Whether it was measured.
    pub is_measured: bool,
}

/// The volumes of an environment, as one of its services sees them.
#[derive(Clone, Debug)]
pub struct VolumesBeside {
    /// Those that it mounts by its settings, in their order, as far as they are made.
    pub own: Vec<VolumeView>,
    /// The others by name, those among them that were removed and can be taken back. None is measured.
    pub others: Listing<VolumeView>,
}

/// Which of several volumes of one name is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Among {
    /// The one that was not removed.
    Present,
    /// The one that was removed last.
    Removed,
}

impl FromStr for VolumeRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        Ok(match placed(text, "volume")? {
            (None, name) => Self::Name(name),
            (Some((project, environment)), name) => Self::Path { project, environment, name },
        })
    }
}

impl Control {
    /// A page of volumes by name, those among them that were removed and can be taken back. The first few are measured.
    pub async fn volumes(
        &self,
        actor: &Actor,
        after: Option<(VolumeName, VolumeId)>,
        limit: u32,
    ) -> Result<Listing<VolumeView>> {
        self.allow(actor, Action::Read)?;
        let page = VolumePage { environment: None, name: None, after, limit: limit.saturating_add(1) };
        let page = Listing::of(self.parts.store.volumes(&page).await?, limit);
        let mut items = Vec::with_capacity(page.items.len());
        for volume in page.items {
            let is_measured = items.len() < MEASURED_OF_ALL;
            items.push(self.volume_view(volume, is_measured).await?);
        }
        Ok(Listing { items, more: page.more })
    }

    /// The volumes of the environment that a service is in: all of its own, of which the first few are measured, and
    /// at most `limit` others.
    pub async fn volumes_beside(
        &self,
        actor: &Actor,
        service: &ServiceRef,
        limit: u32,
    ) -> Result<VolumesBeside> {
        self.allow(actor, Action::Read)?;
        let (store, service) = (&self.parts.store, self.find(service).await?);
        let mut own = Vec::with_capacity(service.spec.volumes.len());
        for mount in &service.spec.volumes {
            if let Some(volume) = store.volume_named(service.environment, &mount.volume).await? {
                own.push(self.volume_view(volume, own.len() < MEASURED).await?);
            }
        }
        let room = u32::try_from(own.len()).unwrap_or(u32::MAX).saturating_add(1);
        let environment = Some(service.environment);
        let page = VolumePage { environment, name: None, after: None, limit: limit.saturating_add(room) };
        let mut found = store.volumes(&page).await?;
        found.retain(|volume| own.iter().all(|known| known.volume.id != volume.id));
        let page = Listing::of(found, limit);
        let mut items = Vec::with_capacity(page.items.len());
        for volume in page.items {
            items.push(self.volume_view(volume, false).await?);
        }
        Ok(VolumesBeside { own, others: Listing { items, more: page.more } })
    }

    /// One volume; by its name one that was not removed.
    pub async fn volume(&self, actor: &Actor, wanted: &VolumeRef) -> Result<VolumeView> {
        self.allow(actor, Action::Read)?;
        let volume = self.find_volume(wanted, Among::Present).await?;
        self.volume_view(volume, true).await
    }

    async fn find_volume(&self, wanted: &VolumeRef, among: Among) -> Result<Volume> {
        let store = &self.parts.store;
        let (environment, name, told) = match wanted {
            VolumeRef::Id(id) => {
                let found = store.volume(*id).await?;
                return found.ok_or_else(|| not_found(&id.to_string()));
            }
            VolumeRef::Name(name) => (None, name, name.to_string()),
            VolumeRef::Path { project, environment, name } => {
                let told = format!("{project}/{environment}/{name}");
                let Some((_, place)) = store.environment_at(project, environment).await? else {
                    return Err(not_found(&told));
                };
                (Some(place.id), name, told)
            }
        };
        let page = VolumePage { environment, name: Some(name.clone()), after: None, limit: MAX_NAMESAKES };
        let all = store.volumes(&page).await?;
        let was_removed = all.iter().any(|volume| volume.removed_at.is_some());
        let mut meant: Vec<Volume> = all
            .into_iter()
            .filter(|volume| volume.removed_at.is_some() == (among == Among::Removed))
            .collect();
        meant.sort_by_key(|volume| (volume.environment, volume.removed_at));
        // Of those that were removed, the newest of each environment.
        let mut last: Vec<Volume> = Vec::new();
        for volume in meant {
            match last.last_mut() {
                Some(before) if before.environment == volume.environment => *before = volume,
                _ => last.push(volume),
            }
        }
        match (last.len(), among) {
            (1, _) => Ok(last.remove(0)),
            (0, Among::Present) if was_removed => Err(not_found(&told)
                .hint(format!("it was removed: `mirage volume restore {told}` takes that back"))),
            (0, Among::Removed) => Err(Error::new(Code::NotFound, format!("no volume `{told}` was removed"))
                .hint("`mirage volume list` shows those that can be taken back")),
            (0, Among::Present) => Err(not_found(&told)),
            (n, _) => Err(Error::new(Code::Conflict, format!("{n} volumes are called `{name}`"))
                .hint(format!("write `project/environment/{name}`"))),
        }
    }

    async fn volume_view(&self, volume: Volume, is_measured: bool) -> Result<VolumeView> {
        let store = &self.parts.store;
        let (project, environment) =
            store.environment(volume.environment).await?.ok_or_else(|| not_found(volume.name.as_str()))?;
        let service = match volume.service {
            Some(id) => store.service(id).await?.map(|service| service.name),
            None => None,
        };
        let path = store.volume_mount(&volume).await?;
        let size = match is_measured {
            true => self.parts.volumes.size(volume.id).await?,
            false => None,
        };
        let (project, environment) = (project.name, environment.name);
        Ok(VolumeView { volume, project, environment, service, path, size, is_measured })
    }
}

fn not_found(name: &str) -> Error {
    Error::new(Code::NotFound, format!("there is no volume `{name}`")).hint("`mirage volume list` shows them")
}
