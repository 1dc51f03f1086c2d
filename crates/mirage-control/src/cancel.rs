//! Cancelling a deployment.

use std::time::Duration;

use mirage_core::{Code, Deployment, DeploymentId, Error, EventKind, Phase, Result};

use crate::Control;
use crate::access::{Action, Actor};
use crate::events::EventSearch;
use crate::find::ServiceRef;

/// The longest that is waited: an answer has to be on its way within two minutes.
const LONGEST: Duration = Duration::from_secs(90);

/// How much longer than the grace of its instances the end of a cancelled deployment is waited for.
const MARGIN: Duration = Duration::from_secs(30);

impl Control {
    /// Ends a deployment that is on its way, and answers when nothing of it is left: no pull, no process, no
    /// probe. Where that takes longer than the grace of its instances and half a minute, or than a minute and a
    /// half in all, the answer still shows the phase it was in; it is cancelled nevertheless.
    ///
    /// # Errors
    /// `CONFLICT` where it is at an end already.
    pub async fn cancel(&self, actor: &Actor, id: DeploymentId) -> Result<Deployment> {
        self.allow(actor, Action::Deploy)?;
        let deployment = self.read_deployment(id).await?;
        let by_id = ServiceRef::Id(deployment.service);
        let service = self.find(&by_id).await?;
        let mut feed =
            self.events(actor, &EventSearch { deployment: Some(id), ..EventSearch::default() }, None).await?;
        let mut tx = self.parts.store.begin().await?;
        if !tx.set_cancelled(id).await? {
            return Err(Error::new(
                Code::Conflict,
                format!("the deployment is {} already", deployment.phase),
            )
            .hint("only a deployment that is on its way can be cancelled"));
        }
        let (now, about) = (self.parts.clock.now(), (deployment.service, id));
        tx.append(actor.event_of(now, about, EventKind::CancelRequested)).await?;
        // Nothing was begun for one that waits behind another.
        if tx.is_waiting(id).await? && tx.set_phase(id, Phase::Cancelled, now).await? {
            let kind = EventKind::PhaseChanged { phase: Phase::Cancelled };
            tx.append(Actor::platform().event_of(now, about, kind)).await?;
        }
        self.parts.announce(tx.commit().await?);
        self.ring(deployment.service);
        let ended = async {
            while let Some(event) = feed.next().await? {
                if matches!(event.kind, EventKind::PhaseChanged { phase } if !phase.is_moving()) {
                    break;
                }
            }
            Ok::<_, Error>(())
        };
        let limit = (Duration::from_secs(service.spec.stop_grace_seconds.into()) + MARGIN).min(LONGEST);
        tokio::time::timeout(limit, ended).await.unwrap_or(Ok(()))?;
        self.read_deployment(id).await
    }
}
