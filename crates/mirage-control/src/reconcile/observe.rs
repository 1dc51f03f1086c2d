//! What a service is like right now.

use std::net::SocketAddr;
use std::sync::PoisonError;
use std::time::Duration;

use jiff::Timestamp;
use mirage_core::{
    Attempt, Check, Deployment, Desired, EventKind, Exit, Failure, ImageState, Instance, InstanceId,
    InstanceReport, InstanceState, Observed, ObservedInstance, Phase, Port, Remains, Result, Revision,
    Service, ServiceId, StepKind, Verdict, fault,
};

use tracing::warn;

use super::Reconciler;
use super::health::{Question, Subject};
use super::ops::Op;
use crate::access::Actor;

/// A worker without a port counts as healthy when it has run this long.
const SETTLED: Duration = Duration::from_secs(1);

/// Everything a round works with.
pub(super) struct View {
    pub(super) service: Service,
    pub(super) network: u16,
    pub(super) active: Option<(Deployment, Revision)>,
    pub(super) candidate: Option<(Deployment, Revision)>,
    pub(super) desired: Desired,
    pub(super) observed: Observed,
    pub(super) reports: Vec<InstanceReport>,
    pub(super) wake_at: Option<Timestamp>,
}

impl View {
    /// The deployment of this round with this id, and its revision.
    pub(super) fn deployment(&self, id: mirage_core::DeploymentId) -> Option<&(Deployment, Revision)> {
        [&self.candidate, &self.active].into_iter().flatten().find(|(deployment, _)| deployment.id == id)
    }

    /// Whether everything that is wanted runs and is well, and there is nothing else.
    pub(super) fn is_at_rest(&self) -> bool {
        let mut alive =
            self.observed.instances.iter().filter(|i| !matches!(i.state, InstanceState::Exited(_)));
        self.desired.candidate.is_none()
            && self.observed.remains.is_empty()
            && alive.all(|i| i.verdict == Verdict::Healthy && i.routed)
    }

    pub(super) fn report(&self, id: mirage_core::InstanceId) -> Option<&InstanceReport> {
        self.reports.iter().find(|report| report.id == id)
    }
}

impl Reconciler {
    /// Looks at the database, the engine, the proxy and the probes. `None`: there is no such service.
    pub(super) async fn observe(&self, id: ServiceId) -> Result<Option<View>> {
        let store = &self.parts.store;
        let Some(service) = store.service(id).await? else { return Ok(None) };
        let network = store.environment(service.environment).await?.map_or(0, |(_, e)| e.network);
        let (active, candidate) = store.current_deployments(id).await?;
        let active = self.with_revision(active).await?;
        let candidate = self.with_revision(candidate).await?;
        let desired = Desired {
            active: self.attempt(active.as_ref()).await?,
            candidate: self.attempt(candidate.as_ref()).await?,
            replicas: service.replicas,
            generation: service.generation,
            removed: service.removed,
        };
        let mut view = View {
            network,
            active,
            candidate,
            desired,
            observed: Observed::default(),
            reports: Vec::new(),
            wake_at: None,
            service,
        };
        view.observed.candidate_image = self.image_state(view.candidate.as_ref()).await;
        view.observed.active_image = self.image_state(view.active.as_ref()).await;
        for instance in store.instances(id).await? {
            self.observe_instance(&mut view, instance).await?;
        }
        view.observed.remains = self.remains(&view).await?;
        Ok(Some(view))
    }

    async fn with_revision(&self, deployment: Option<Deployment>) -> Result<Option<(Deployment, Revision)>> {
        let Some(deployment) = deployment else { return Ok(None) };
        let revision = self.parts.store.revision(deployment.service, deployment.revision).await?;
        Ok(revision.map(|revision| (deployment, revision)))
    }

    async fn attempt(&self, of: Option<&(Deployment, Revision)>) -> Result<Option<Attempt>> {
        let Some((deployment, revision)) = of else { return Ok(None) };
        let doomed = match () {
            () if !deployment.phase.is_moving() => None,
            () if self.parts.store.is_cancelled(deployment.id).await? => Some(Phase::Cancelled),
            () if deployment.failure.is_some() => Some(Phase::Failed),
            () => None,
        };
        Ok(Some(Attempt {
            deployment: deployment.id,
            phase: deployment.phase,
            doomed,
            restart: revision.spec.restart,
            budget_millis: revision.timing().budget_millis,
            surge: revision.spec.rollout.surge,
            exclusive: revision.spec.is_exclusive(),
            overlap_millis: u64::from(revision.spec.rollout.overlap_seconds) * 1000,
            active_since: deployment.finished_at,
        }))
    }

    async fn image_state(&self, of: Option<&(Deployment, Revision)>) -> ImageState {
        let Some((deployment, revision)) = of else { return ImageState::Absent };
        if self.ops.is_running(Op::Pull(deployment.id)) {
            return ImageState::Pulling;
        }
        match self.pulls.failure(deployment.id) {
            Some(failure) => ImageState::Failed(failure),
            None if self.parts.engine.is_present(&revision.image).await => ImageState::Present,
            None => ImageState::Absent,
        }
    }

    /// How an instance is, from what is under way, the database and the engine, in this order.
    pub(super) fn state_of(&self, instance: &Instance, report: Option<&InstanceReport>) -> InstanceState {
        if let Some(exit) = &instance.exit {
            return InstanceState::Exited(exit.clone());
        }
        if self.ops.is_running(Op::Retire(instance.id)) {
            return InstanceState::Stopping;
        }
        if self.ops.is_running(Op::Start(instance.id)) {
            return InstanceState::Starting;
        }
        match report {
            Some(report) => report.state.clone(),
            None => InstanceState::Exited(vanished(self.parts.clock.now())),
        }
    }

    async fn observe_instance(&self, view: &mut View, mut instance: Instance) -> Result<()> {
        // Whether it is being started must be read before the engine is asked: a start that ends in
        // between is then seen as starting once more, and never as vanished.
        let starting = instance.exit.is_none() && self.ops.is_running(Op::Start(instance.id));
        let report = match instance.exit {
            None => self.parts.engine.get(instance.id).await?,
            Some(_) => None,
        };
        let state = match starting {
            true if !self.ops.is_running(Op::Retire(instance.id)) => InstanceState::Starting,
            // Let go before it was started: it is gone only when its start has heard of it.
            false if self.ops.is_running(Op::Start(instance.id)) => InstanceState::Stopping,
            _ => self.state_of(&instance, report.as_ref()),
        };
        if let (InstanceState::Exited(exit), None) = (&state, &instance.exit) {
            self.record_exit(view, &instance, exit).await?;
            instance.exit = Some(exit.clone());
        }
        let verdict = match &state {
            InstanceState::Running { since } => self.verdict(view, &instance, report.as_ref(), *since),
            InstanceState::Exited(_) => {
                self.health.forget(instance.id);
                Verdict::Unknown
            }
            _ => self.health.verdict(instance.id),
        };
        let unwell_since = match (&state, &verdict) {
            (InstanceState::Running { .. }, Verdict::Healthy) => None,
            (InstanceState::Running { since }, _) => Some(self.health.unwell_since(instance.id, *since)),
            _ => None,
        };
        view.reports.extend(report);
        view.observed.instances.push(ObservedInstance {
            id: instance.id,
            deployment: instance.deployment,
            ordinal: instance.ordinal,
            generation: instance.generation,
            attempt: instance.attempt,
            created_at: instance.created_at,
            state,
            engine_failure: self.engine_failure(instance.id),
            verdict,
            unwell_since,
            routed: self.routes.of(view.service.id).is_some_and(|routed| routed.contains(&instance.id)),
            stopped: instance.stopped,
        });
        Ok(())
    }

    /// What the engine has of this service's instances that ended. One that is being started or stopped
    /// is taken care of already.
    async fn remains(&self, view: &View) -> Result<Vec<Remains>> {
        let lives = |id| {
            let observed = view.observed.instances.iter().find(|observed| observed.id == id);
            observed.is_some_and(|observed| !matches!(observed.state, InstanceState::Exited(_)))
        };
        let in_hand = |id| self.ops.is_running(Op::Start(id)) || self.ops.is_running(Op::Retire(id));
        let reports = self.parts.engine.of_service(view.service.id).await?.into_iter();
        let ended = reports.filter(|report| !lives(report.id) && !in_hand(report.id));
        Ok(ended
            .map(|report| Remains {
                instance: report.id,
                sweeping: self.ops.is_running(Op::Sweep(report.id)),
            })
            .collect())
    }

    fn engine_failure(&self, id: InstanceId) -> Option<Failure> {
        self.engine_failures.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// What probing says of an instance that runs; begins to probe it where that is not under way.
    fn verdict(
        &self,
        view: &mut View,
        instance: &Instance,
        report: Option<&InstanceReport>,
        since: Timestamp,
    ) -> Verdict {
        let Some((deployment, revision)) = view.deployment(instance.deployment) else {
            return self.health.verdict(instance.id);
        };
        let at = |port: Port| Some(SocketAddr::new(report?.address?, port.get()));
        let question = match revision.check() {
            Check::Http { port, request } => at(port).map(|at| Question::Outside(at, Some(request))),
            Check::Tcp { port } => at(port).map(|at| Question::Outside(at, None)),
            Check::Command { arguments } => Some(Question::Inside(arguments, Box::new(revision.clone()))),
            Check::Alive => None,
        };
        match question {
            Some(question) => {
                let (service, deployment) = (view.service.id, deployment.id);
                let timing = revision.timing();
                let subject = || Subject { instance: instance.id, service, deployment, question, timing };
                self.health.probe(instance.id, self.bell(service), subject);
            }
            None => {
                let settled = since.saturating_add(SETTLED).unwrap_or(since);
                let now = self.parts.clock.now();
                // One that runs since a time to come runs since before the clock was set back.
                if now >= settled || now < since {
                    self.health.declare(instance.id, Verdict::Healthy);
                } else {
                    view.wake_at = super::earlier(view.wake_at, Some(settled));
                }
            }
        }
        self.health.verdict(instance.id)
    }

    /// Writes down how an instance ended, and lets the engine clean up behind it. If it cannot, it is
    /// asked again as long as it has something of the instance.
    async fn record_exit(&self, view: &View, instance: &Instance, exit: &Exit) -> Result<()> {
        let mut tx = self.parts.store.begin().await?;
        if tx.set_exit(instance.id, exit).await? && !instance.stopped {
            tx.append(Actor::platform().event_of(
                exit.at,
                (view.service.id, instance.deployment),
                EventKind::InstanceExited { instance: instance.id, reason: exit.to_string() },
            ))
            .await?;
        }
        self.parts.announce(tx.commit().await?);
        let clean_up = async {
            fault::point("reconcile/exited")?;
            self.parts.engine.stop(instance.id, Duration::ZERO).await
        };
        if let Err(error) = clean_up.await {
            warn!(service = %view.service.name, instance = %instance.id, ?error, "not cleaned up yet");
        }
        Ok(())
    }

    /// Ends the record of draining once nothing but the active deployment is left.
    pub(super) async fn settle(&self, view: &View) -> Result<()> {
        let Some((active, _)) = &view.active else { return Ok(()) };
        let draining =
            active.steps.iter().any(|step| step.kind == StepKind::Drain && step.finished_at.is_none());
        let others = view
            .observed
            .instances
            .iter()
            .any(|i| i.deployment != active.id && !matches!(i.state, InstanceState::Exited(_)));
        if !draining || others {
            return Ok(());
        }
        let mut tx = self.parts.store.begin().await?;
        let now = self.parts.clock.now();
        let summary = "the previous instances are gone";
        if let Some(millis) = tx.end_step(active.id, StepKind::Drain, summary, true, now).await? {
            let kind = EventKind::StepFinished { step: StepKind::Drain, summary: summary.into(), millis };
            tx.append(self.event_of(view, active.id, kind)).await?;
        }
        self.parts.announce(tx.commit().await?);
        Ok(())
    }
}

fn vanished(at: Timestamp) -> Exit {
    Exit { code: None, signal: None, oom: false, start_error: None, at }
}
