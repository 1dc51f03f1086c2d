//! Whose a volume is. Decided in the transaction that writes the service or the deployment.

use mirage_core::{
    Code, Error, EventKind, MountedVolume, Result, Revision, Service, Volume, VolumeId, VolumeMount,
    check_mounts,
};
use mirage_store::Tx;

use crate::Control;
use crate::access::Actor;
use crate::parts::Parts;

impl Control {
    /// Makes the volumes that a service names its own: those that are not there are made, those that nobody
    /// uses are adopted.
    ///
    /// # Errors
    /// `CONFLICT` where another service has one, `INVALID_REQUEST` where more than one instance would write to
    /// one.
    pub(crate) async fn claim_volumes(&self, tx: &mut Tx, actor: &Actor, service: &Service) -> Result<()> {
        if service.replicas > 1
            && let Some(mount) = tx.running_mount(service.id).await?
        {
            return check_mounts(&[mount], service.replicas).map_err(|error| {
                error.hint("deploy it without the volume first; ask for more instances when that is active")
            });
        }
        for mount in &service.spec.volumes {
            match tx.volume_named(service.environment, &mount.volume).await? {
                Some(volume) => self.adopt(tx, actor, service, volume).await?,
                None => self.make_own(tx, actor, service, mount).await?,
            }
        }
        Ok(())
    }

    /// The same for a revision that was written earlier. Its volumes must still be there: a service that finds an
    /// empty folder where its data was has lost it.
    ///
    /// # Errors
    /// `CONFLICT` where they are not, or another service has one, or the service has several instances.
    pub(crate) async fn reclaim_volumes(
        &self,
        tx: &mut Tx,
        service: &Service,
        revision: &Revision,
    ) -> Result<()> {
        let number = revision.number;
        if let Err(error) = check_mounts(&revision.spec.volumes, service.replicas) {
            return Err(Error::new(
                Code::Conflict,
                format!("revision {number} has volumes: {}", error.message()),
            )
            .hint(format!("`mirage scale {} 1` first", service.name)));
        }
        for mount in &revision.spec.volumes {
            match tx.volume_named(service.environment, &mount.volume).await? {
                Some(volume) => self.adopt(tx, &Actor::platform(), service, volume).await?,
                None => {
                    let name = &mount.volume;
                    return Err(Error::new(
                        Code::Conflict,
                        format!("revision {number} has a volume `{name}`, which is not there any more"),
                    )
                    .hint(format!(
                        "`mirage volume restore {name}` takes its removal back, `mirage volume create {name}` makes an empty one"
                    )));
                }
            }
        }
        Ok(())
    }

    async fn adopt(&self, tx: &mut Tx, actor: &Actor, service: &Service, mut volume: Volume) -> Result<()> {
        if volume.service == Some(service.id) {
            return Ok(());
        }
        if let Some(path) = tx.volume_mount(&volume).await? {
            let owner = match volume.service {
                Some(id) => tx.service(id).await?.map(|owner| owner.name.to_string()).unwrap_or_default(),
                None => String::new(),
            };
            let message = format!("the service `{owner}` has the volume `{}` at `{path}`", volume.name);
            return Err(Error::new(Code::Conflict, message)
                .field("volumes")
                .hint("choose another name, or deploy that service without it first"));
        }
        volume.service = Some(service.id);
        tx.update_volume(&volume).await?;
        let kind = EventKind::VolumeAdopted { volume: volume.name.to_string() };
        tx.append(actor.event(self.parts.clock.now(), Some(service.id), kind)).await
    }

    async fn make_own(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        service: &Service,
        mount: &VolumeMount,
    ) -> Result<()> {
        let volume = Volume {
            id: VolumeId::from_random(self.parts.random.bytes16()),
            environment: service.environment,
            name: mount.volume.clone(),
            service: Some(service.id),
            created_at: self.parts.clock.now(),
            removed_at: None,
        };
        tx.insert_volume(&volume).await?;
        let kind = EventKind::VolumeCreated { volume: volume.name.to_string() };
        tx.append(actor.event(self.parts.clock.now(), Some(service.id), kind)).await
    }
}

/// The volumes of a revision that is about to run, by their ids.
///
/// # Errors
/// `CONFLICT` where one does not belong to the service.
pub(crate) async fn mounted(
    parts: &Parts,
    service: &Service,
    revision: &Revision,
) -> Result<Vec<MountedVolume>> {
    let mut mounted = Vec::with_capacity(revision.spec.volumes.len());
    for mount in &revision.spec.volumes {
        let found = parts.store.volume_named(service.environment, &mount.volume).await?;
        let Some(volume) = found.filter(|volume| volume.service == Some(service.id)) else {
            return Err(Error::new(
                Code::Conflict,
                format!("the volume `{}` does not belong to `{}`", mount.volume, service.name),
            )
            .hint("`mirage volume list` shows whose it is"));
        };
        mounted.push(MountedVolume { id: volume.id, path: mount.path.clone() });
    }
    Ok(mounted)
}
