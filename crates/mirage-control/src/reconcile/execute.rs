//! Taking the steps: first everything that is a record, in one transaction; then the work.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;

use mirage_core::{
    CredentialOutcome, Deployment, DeploymentId, Error, EventKind, Exit, Failure, Instance, InstanceId,
    InstanceSpec, InstanceState, LogPolicy, Phase, Result, Revision, Service, ServiceSpec, Step, StepKind,
    fault, human_bytes,
};
use mirage_store::Tx;
use tracing::{error, info};

use super::observe::View;
use super::ops::Op;
use super::record::Notes;
use super::routes::{Entry, Reach};
use super::{Reconciler, deadline};
use crate::access::Actor;
use crate::login::Puller;
use crate::parts::Parts;

/// Before a pull for a deployment that already serves is tried again.
const PULL_PAUSE: Duration = Duration::from_secs(10);
/// Bytes of output kept of a service, shared by its instances.
const LOG_BYTES: u64 = 64 << 20;

impl Reconciler {
    /// Takes the steps, unless a request has changed meanwhile what they were planned for; says whether the
    /// service is gone with them.
    pub(super) async fn execute(&self, view: &View, steps: &[Step]) -> Result<bool> {
        let mut notes = Notes { diagnosis: self.diagnosis(view, steps).await, starting: Vec::new() };
        fault::point("reconcile/record")?;
        let mut tx = self.parts.store.begin().await?;
        if !is_as_seen(&mut tx, view).await? {
            return Ok(false);
        }
        for step in steps {
            info!(service = %view.service.name, %step, "step");
            self.record(&mut tx, view, step, &mut notes).await?;
        }
        self.parts.announce(tx.commit().await?);
        for instance in notes.starting {
            self.begin_start(view, instance);
        }
        for step in steps {
            match step {
                Step::Pull { deployment } => self.begin_pull(view, *deployment),
                Step::Route { instances } => {
                    fault::point("reconcile/route")?;
                    self.route(view, instances).await?;
                    fault::point("reconcile/routed")?;
                }
                Step::Retire { instance } => self.begin_retire(view, *instance),
                Step::Sweep { instance } => self.begin_sweep(view, *instance),
                Step::StopPull { deployment } => {
                    self.ops.abort(Op::Pull(*deployment));
                    let ended = async {
                        self.ops.ended(Op::Pull(*deployment)).await;
                        Ok(())
                    };
                    deadline::within(deadline::STOP, "end of a pull", ended).await?;
                }
                Step::Enter { deployment, phase } if !phase.is_moving() => {
                    fault::point("reconcile/end")?;
                    self.forget_engine_failures(view);
                    self.pulls.forget(*deployment);
                }
                Step::Forget => {
                    self.forget(view).await?;
                    return Ok(true);
                }
                Step::Activate { deployment } => {
                    fault::point("reconcile/activate")?;
                    self.pulls.forget(*deployment);
                    self.collect.notify_one();
                }
                Step::Abandon { .. } => fault::point("reconcile/abandon")?,
                Step::Enter { .. } => fault::point("reconcile/enter")?,
                Step::Start { .. } => {}
            }
        }
        Ok(false)
    }

    /// Why the deployment that is given up failed. Found out before there is a transaction: it reads
    /// logs and asks the engine, and everybody else who writes would wait for that.
    async fn diagnosis(&self, view: &View, steps: &[Step]) -> Option<Failure> {
        let cause = steps.iter().find_map(|step| match step {
            Step::Abandon { cause, .. } => Some(cause),
            _ => None,
        })?;
        Some(self.diagnose(view, cause).await)
    }

    fn begin_pull(&self, view: &View, id: DeploymentId) {
        let Some((deployment, revision)) = view.deployment(id).cloned() else { return };
        let (parts, pulls) = (self.parts.clone(), self.pulls.clone());
        let puller = Puller::Service(view.service.id, view.service.environment);
        let work = async move {
            let _motion = parts.images_in_motion.read().await;
            let pull = async {
                fault::point("reconcile/pull")?;
                let login = parts.login(puller, &CredentialOutcome::Keep, &revision.image.reference).await?;
                let done = parts.engine.pull(&revision.image, login.as_ref(), pulls.listener(id)).await?;
                fault::point("reconcile/pulled")?;
                Ok(done)
            };
            match deadline::within(deadline::PULL, "pull", pull).await {
                Ok(done) => {
                    let moved = format!(
                        "{} of {} layers, {}",
                        done.layers_moved,
                        done.layers_total,
                        human_bytes(done.bytes_done)
                    );
                    if let Err(error) = record_pull(&parts, &deployment, &moved).await {
                        error!(?error, "the end of a pull could not be recorded");
                    }
                    pulls.forget(id);
                }
                Err(error) => {
                    error!(service = %revision.service, ?error, "an image could not be brought");
                    pulls.fail(id, failure(&error));
                    if deployment.phase == Phase::Active {
                        tokio::time::sleep(PULL_PAUSE).await;
                        pulls.forget(id);
                    }
                }
            }
        };
        self.ops.begin(Op::Pull(id), self.bell(view.service.id), work);
    }

    fn begin_start(&self, view: &View, instance: Instance) {
        let Some((_, revision)) = view.deployment(instance.deployment).cloned() else { return };
        let id = instance.id;
        let spec = instance_spec(view, &revision, &instance, &self.parts);
        let failures = self.engine_failures.clone();
        // Only a deployment that is not active yet fails for it; an active one tries again.
        let on_trial = view.active.as_ref().is_none_or(|(active, _)| active.id != instance.deployment);
        let (parts, routes, service) = (self.parts.clone(), self.routes.clone(), view.service.clone());
        let resolver = self.parts.engine.resolver(view.network);
        let work = async move {
            let _motion = parts.images_in_motion.read().await;
            // It may have been let go while it waited for its turn.
            if !is_wanted(&parts, id).await {
                return;
            }
            let start = async {
                fault::point("reconcile/start")?;
                let mut spec = spec?;
                spec.volumes = crate::volume::mounted(&parts, &service, &revision).await?;
                deadline::within(deadline::START, "start", parts.engine.start(&spec)).await?;
                fault::point("reconcile/started")
            };
            let introduce = async {
                fault::point("reconcile/introduce")?;
                routes.introduce(&service, resolver, Reach::of(&revision, &service)).await
            };
            let (started, introduced) = tokio::join!(start, introduce);
            if let Err(error) = introduced {
                error!(service = %service.name, ?error, "the proxy did not take the new service");
            }
            if let Err(error) = started {
                error!(service = %service.name, instance = %id, ?error, "an instance could not be started");
                if on_trial {
                    failures.lock().unwrap_or_else(PoisonError::into_inner).insert(id, failure(&error));
                }
                if let Err(error) = record_start_failure(&parts, &instance, &error).await {
                    error!(?error, "the failure of a start could not be recorded");
                }
            }
        };
        self.ops.begin(Op::Start(id), self.bell(view.service.id), work);
    }

    fn begin_retire(&self, view: &View, id: InstanceId) {
        let observed = view.observed.instances.iter().find(|i| i.id == id);
        let deployment = observed.map(|i| i.deployment);
        let known = deployment.and_then(|id| view.deployment(id)).map(|(_, revision)| revision.spec.clone());
        let (parts, health, ops) = (self.parts.clone(), self.health.clone(), self.ops.clone());
        let (service, now) = (view.service.name.clone(), view.service.spec.clone());
        let work = async move {
            let spec = match known {
                Some(spec) => spec,
                None => spec_of(&parts, deployment).await.unwrap_or(now),
            };
            let (drain, grace) = (deadline::drain(&spec), deadline::grace(&spec));
            if let Err(error) = parts.router.drain(id, drain).await {
                error!(%service, ?error, "the proxy could not say whether requests are open");
            }
            health.forget(id);
            let stopped = deadline::within(grace + deadline::STOP, "stop", stop(&parts, id, grace)).await;
            let retired = match stopped {
                // A start that was under way has not heard of it.
                Ok(_) if ops.is_running(Op::Start(id)) => {
                    ops.ended(Op::Start(id)).await;
                    deadline::within(grace + deadline::STOP, "stop", stop(&parts, id, grace)).await
                }
                stopped => stopped,
            };
            let recorded = async { record_end(&parts, id, &retired?).await };
            if let Err(error) = recorded.await {
                error!(%service, instance = %id, ?error, "an instance could not be stopped");
                tokio::time::sleep(super::PAUSE).await;
            }
        };
        self.ops.begin(Op::Retire(id), self.bell(view.service.id), work);
    }

    fn begin_sweep(&self, view: &View, id: InstanceId) {
        let (parts, service) = (self.parts.clone(), view.service.name.clone());
        let work = async move {
            let sweep = async {
                fault::point("reconcile/sweep")?;
                parts.engine.stop(id, Duration::ZERO).await?;
                fault::point("reconcile/swept")
            };
            let swept = deadline::within(deadline::STOP, "cleaning up", sweep);
            if let Err(error) = swept.await {
                error!(%service, instance = %id, ?error, "an instance that ended could not be cleaned up");
                tokio::time::sleep(super::PAUSE).await;
            }
        };
        self.ops.begin(Op::Sweep(id), self.bell(view.service.id), work);
    }

    /// A deployment that has ended has said why; what the engine said is not asked for again.
    fn forget_engine_failures(&self, view: &View) {
        let mut failures = self.engine_failures.lock().unwrap_or_else(PoisonError::into_inner);
        for instance in &view.observed.instances {
            failures.remove(&instance.id);
        }
    }

    async fn route(&self, view: &View, instances: &BTreeSet<InstanceId>) -> Result<()> {
        let mut entries = Vec::new();
        for observed in view.observed.instances.iter().filter(|i| instances.contains(&i.id)) {
            let port = view.deployment(observed.deployment).and_then(|(_, revision)| revision.routed_port());
            if let Some(address) = view.report(observed.id).and_then(|report| report.address) {
                entries.push(Entry { instance: observed.id, address, port });
            }
        }
        let revision = view.candidate.as_ref().or(view.active.as_ref()).map(|(_, revision)| revision);
        let reach = revision.map_or_else(Reach::default, |revision| Reach::of(revision, &view.service));
        let resolver = self.parts.engine.resolver(view.network);
        let set = self.routes.set(&view.service, resolver, reach, &entries);
        deadline::within(deadline::ROUTE, "change of routes", set).await
    }

    async fn forget(&self, view: &View) -> Result<()> {
        fault::point("reconcile/forget")?;
        self.routes.remove(&view.service, self.parts.engine.resolver(view.network)).await?;
        fault::point("reconcile/unrouted")?;
        // Before the record: whoever is killed in between finds the service and does it again.
        let removed = self.parts.engine.logs().remove(view.service.id);
        deadline::within(deadline::STOP, "removal of the logs", removed).await?;
        let mut tx = self.parts.store.begin().await?;
        tx.delete_service(view.service.id).await?;
        self.parts.announce(tx.commit().await?);
        fault::point("reconcile/forgotten")?;
        for (deployment, _) in [&view.active, &view.candidate].into_iter().flatten() {
            self.pulls.forget(deployment.id);
        }
        Ok(())
    }
}

/// What is started.
fn instance_spec(
    view: &View,
    revision: &Revision,
    instance: &Instance,
    parts: &Parts,
) -> Result<InstanceSpec> {
    let service = &view.service;
    Ok(InstanceSpec {
        id: instance.id,
        service: service.id,
        service_name: service.name.clone(),
        deployment: instance.deployment,
        environment: service.environment,
        network: view.network,
        image: revision.image.clone(),
        arguments: revision.arguments(),
        variables: parts.environment(revision)?,
        ports: revision.ports(),
        resources: revision.spec.resources.clone(),
        allow_new_privileges: revision.spec.allow_new_privileges,
        volumes: Vec::new(),
        log: LogPolicy {
            max_bytes: LOG_BYTES / 2 / u64::from(service.replicas.max(1)),
            service_bytes: LOG_BYTES,
        },
    })
}

/// The error as a deployment remembers it.
pub(super) fn failure(error: &Error) -> Failure {
    Failure {
        code: error.code(),
        message: error.message().to_owned(),
        hint: error.next_step().map(str::to_owned),
        log_tail: Vec::new(),
    }
}

async fn record_pull(parts: &Parts, deployment: &Deployment, summary: &str) -> Result<()> {
    let now = parts.clock.now();
    let mut tx = parts.store.begin().await?;
    if let Some(millis) = tx.end_step(deployment.id, StepKind::Pull, summary, true, now).await? {
        tx.append(Actor::platform().event_of(
            now,
            (deployment.service, deployment.id),
            EventKind::StepFinished { step: StepKind::Pull, summary: summary.to_owned(), millis },
        ))
        .await?;
    }
    parts.announce(tx.commit().await?);
    Ok(())
}

/// Whether an instance is still to run. What the database cannot say counts as yes.
async fn is_wanted(parts: &Parts, id: InstanceId) -> bool {
    match parts.store.instance(id).await {
        Ok(found) => found.is_some_and(|instance| instance.exit.is_none() && !instance.stopped),
        Err(_) => true,
    }
}

/// The engine could not start it: written as the end of the instance, so that the restart policy or
/// the rollout decides what follows.
async fn record_start_failure(parts: &Parts, instance: &Instance, error: &Error) -> Result<()> {
    let exit = Exit {
        code: None,
        signal: None,
        oom: false,
        start_error: Some(error.message().to_owned()),
        at: parts.clock.now(),
    };
    let mut tx = parts.store.begin().await?;
    if tx.set_exit(instance.id, &exit).await? {
        let about = (instance.service, instance.deployment);
        let kind = EventKind::InstanceExited { instance: instance.id, reason: exit.to_string() };
        tx.append(Actor::platform().event_of(exit.at, about, kind)).await?;
    }
    parts.announce(tx.commit().await?);
    parts.engine.stop(instance.id, Duration::ZERO).await
}

/// Stops an instance, and says how it ended.
async fn stop(parts: &Parts, id: InstanceId, grace: Duration) -> Result<Exit> {
    fault::point("reconcile/drained")?;
    let before = parts.engine.get(id).await?;
    parts.engine.stop(id, grace).await?;
    fault::point("reconcile/stopped")?;
    Ok(match before.map(|report| report.state) {
        Some(InstanceState::Exited(exit)) => exit,
        _ => Exit { code: None, signal: None, oom: false, start_error: None, at: parts.clock.now() },
    })
}

async fn record_end(parts: &Parts, id: InstanceId, exit: &Exit) -> Result<()> {
    let mut tx = parts.store.begin().await?;
    tx.set_exit(id, exit).await?;
    parts.announce(tx.commit().await?);
    Ok(())
}

/// The settings with which a deployment was made, where anybody remembers.
async fn spec_of(parts: &Parts, deployment: Option<DeploymentId>) -> Option<ServiceSpec> {
    let read = async {
        let Some(id) = deployment else { return Ok(None) };
        let Some(deployment) = parts.store.deployment(id).await? else { return Ok(None) };
        parts.store.revision(deployment.service, deployment.revision).await
    };
    let read: Result<Option<Revision>> = read.await;
    read.ok().flatten().map(|revision| revision.spec)
}

/// Whether what is wanted is still what the steps were planned for.
async fn is_as_seen(tx: &mut Tx, view: &View) -> Result<bool> {
    let Some(service) = tx.service(view.service.id).await? else { return Ok(false) };
    let wanted = |service: &Service| (service.removed, service.replicas, service.generation);
    if wanted(&service) != wanted(&view.service) {
        return Ok(false);
    }
    for (deployment, _) in [&view.active, &view.candidate].into_iter().flatten() {
        if tx.phase(deployment.id).await? != Some(deployment.phase) {
            return Ok(false);
        }
    }
    let candidate = view.desired.candidate.as_ref();
    match candidate.filter(|candidate| candidate.doomed.is_none()) {
        Some(candidate) => Ok(!tx.is_cancelled(candidate.deployment).await?),
        None => Ok(true),
    }
}
