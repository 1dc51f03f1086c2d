//! Restart, remove.

use mirage_core::{EventKind, Result};

use crate::Control;
use crate::access::{Action, Actor};
use crate::deploy::gone;
use crate::find::ServiceRef;
use crate::read::ServiceView;

impl Control {
    /// Replaces every instance by a new one of the same deployment, the new one first.
    pub async fn restart(&self, actor: &Actor, wanted: &ServiceRef) -> Result<ServiceView> {
        self.allow(actor, Action::Deploy)?;
        let found = self.find(wanted).await?;
        let mut tx = self.parts.store.begin().await?;
        let mut service = tx.service(found.id).await?.filter(|s| !s.removed).ok_or_else(|| gone(&found))?;
        service.generation += 1;
        service.updated_at = self.parts.clock.now();
        tx.update_service(&service).await?;
        tx.append(actor.event(service.updated_at, Some(service.id), EventKind::ServiceRestarted)).await?;
        self.parts.announce(tx.commit().await?);
        self.ring(service.id);
        self.view(service).await
    }

    /// Takes a service away: no more requests, then no more instances, then no more record of it but
    /// its events. Done already counts as done. A name alone means one in the default place, as it does for a deploy.
    pub async fn remove(&self, actor: &Actor, wanted: &ServiceRef) -> Result<ServiceView> {
        self.allow(actor, Action::Remove)?;
        let found = self.find_in_default(wanted).await?;
        let mut tx = self.parts.store.begin().await?;
        let mut service = tx.service(found.id).await?.ok_or_else(|| gone(&found))?;
        if !service.removed {
            service.removed = true;
            service.updated_at = self.parts.clock.now();
            tx.update_service(&service).await?;
            tx.append(actor.event(service.updated_at, Some(service.id), EventKind::ServiceRemoved)).await?;
            self.parts.announce(tx.commit().await?);
        }
        self.ring(service.id);
        self.view(service).await
    }
}
