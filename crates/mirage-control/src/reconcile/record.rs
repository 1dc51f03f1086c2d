//! What is written down of the steps of a round, in its one transaction.

use mirage_core::{
    DeploymentId, Event, EventKind, Failure, Instance, InstanceId, Phase, Result, Revision, Step, StepKind,
};
use mirage_store::Tx;

use super::Reconciler;
use super::observe::View;
use crate::access::Actor;

/// What the steps of one round have to do with each other.
pub(super) struct Notes {
    /// Why the deployment that is given up failed.
    pub(super) diagnosis: Option<Failure>,
    /// The instances that were recorded and are to be started.
    pub(super) starting: Vec<Instance>,
}

impl Reconciler {
    /// Records a step, or that it begins.
    pub(super) async fn record(
        &self,
        tx: &mut Tx,
        view: &View,
        step: &Step,
        notes: &mut Notes,
    ) -> Result<()> {
        let now = self.parts.clock.now();
        match step {
            Step::Enter { deployment, phase } => self.record_phase(tx, view, *deployment, *phase).await,
            Step::Start { deployment, ordinal, attempt } => {
                let instance = Instance {
                    id: InstanceId::from_random(self.parts.random.bytes16()),
                    service: view.service.id,
                    deployment: *deployment,
                    ordinal: *ordinal,
                    generation: view.service.generation,
                    attempt: *attempt,
                    created_at: now,
                    exit: None,
                    stopped: false,
                };
                tx.insert_instance(&instance).await?;
                notes.starting.push(instance);
                Ok(())
            }
            Step::Activate { deployment } => self.record_active(tx, view, *deployment).await,
            Step::Abandon { deployment, .. } => {
                let Some(failure) = notes.diagnosis.take() else { return Ok(()) };
                for kind in tx.open_steps(*deployment).await? {
                    self.end_step(tx, view, *deployment, kind, &failure.message, false).await?;
                }
                tx.set_failure(*deployment, &failure).await
            }
            Step::Retire { instance } => tx.set_stopped(*instance).await,
            Step::Pull { .. }
            | Step::StopPull { .. }
            | Step::Route { .. }
            | Step::Sweep { .. }
            | Step::Forget => Ok(()),
        }
    }

    /// A phase begins: the step of the phase before ends, the step of this one begins.
    async fn record_phase(&self, tx: &mut Tx, view: &View, id: DeploymentId, phase: Phase) -> Result<()> {
        let now = self.parts.clock.now();
        if !tx.set_phase(id, phase, now).await? {
            return Ok(());
        }
        tx.append(self.event_of(view, id, EventKind::PhaseChanged { phase })).await?;
        for kind in tx.open_steps(id).await? {
            let summary = match view.deployment(id) {
                Some((_, revision)) if phase.is_moving() => summary_of(view, revision, kind),
                _ => phase.to_string(),
            };
            self.end_step(tx, view, id, kind, &summary, phase.is_moving()).await?;
        }
        let next = match phase {
            Phase::Preparing => StepKind::Pull,
            Phase::Starting => StepKind::Start,
            Phase::Probing => StepKind::Probe,
            Phase::Switching => StepKind::Route,
            _ => return Ok(()),
        };
        tx.begin_step(id, next, now).await
    }

    async fn record_active(&self, tx: &mut Tx, view: &View, id: DeploymentId) -> Result<()> {
        let now = self.parts.clock.now();
        self.end_step(tx, view, id, StepKind::Route, &self.parts.settings.host_of(&view.service), true)
            .await?;
        if let Some((old, _)) = &view.active {
            // Its own predecessor may still drain; that is no longer its business.
            for kind in tx.open_steps(old.id).await? {
                self.end_step(tx, view, old.id, kind, "the next deployment goes on with it", true).await?;
            }
            tx.set_phase(old.id, Phase::Superseded, now).await?;
            tx.append(self.event_of(view, old.id, EventKind::PhaseChanged { phase: Phase::Superseded }))
                .await?;
            tx.begin_step(id, StepKind::Drain, now).await?;
        }
        tx.set_phase(id, Phase::Active, now).await?;
        tx.append(self.event_of(view, id, EventKind::PhaseChanged { phase: Phase::Active })).await
    }

    async fn end_step(
        &self,
        tx: &mut Tx,
        view: &View,
        id: DeploymentId,
        step: StepKind,
        summary: &str,
        ok: bool,
    ) -> Result<()> {
        if let Some(millis) = tx.end_step(id, step, summary, ok, self.parts.clock.now()).await? {
            let kind = EventKind::StepFinished { step, summary: summary.to_owned(), millis };
            tx.append(self.event_of(view, id, kind)).await?;
        }
        Ok(())
    }

    pub(super) fn event_of(&self, view: &View, deployment: DeploymentId, kind: EventKind) -> Event {
        Actor::platform().event_of(self.parts.clock.now(), (view.service.id, deployment), kind)
    }
}

/// What a step came to, in half a sentence.
fn summary_of(view: &View, revision: &Revision, kind: StepKind) -> String {
    match kind {
        StepKind::Start => format!("{} #{} on local", view.service.name, revision.number),
        StepKind::Probe => revision.check().answered(),
        _ => "done".into(),
    }
}
