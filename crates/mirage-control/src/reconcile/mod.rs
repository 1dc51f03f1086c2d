//! The reconciler: one worker for each service, each going round the same circle: observe, plan,
//! take the steps, wait until something may be different.

mod deadline;
mod diagnose;
mod execute;
mod health;
mod observe;
mod ops;
mod pull;
mod record;
mod routes;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use mirage_core::port::PullProgress;
use mirage_core::{DeploymentId, Failure, Instance, InstanceId, InstanceReport, Result, ServiceId, plan};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::{error, warn};

use crate::parts::Parts;
use crate::read::InstanceView;
use health::Health;
use ops::Ops;
use pull::Pulls;
use routes::RouteBook;

/// Asked again after this long even if nothing was heard: no lost wake-up lasts.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// The same for a service of which nothing is wanted but that it goes on.
const REST: Duration = Duration::from_secs(300);
/// After an error of the database or the engine.
const PAUSE: Duration = Duration::from_secs(1);
/// How long an instance that nobody knows has to end.
const STRANGERS_GRACE: Duration = Duration::from_secs(10);
/// Images that nobody needs are looked for this often.
const COLLECT_EVERY: Duration = Duration::from_secs(3600);
/// How long after a moment at which images were in motion it is tried again.
const COLLECT_AGAIN: Duration = Duration::from_secs(30);

pub(crate) struct Reconciler {
    parts: Arc<Parts>,
    ops: Arc<Ops>,
    pulls: Arc<Pulls>,
    health: Arc<Health>,
    routes: Arc<RouteBook>,
    /// Why the engine could not start an instance; the database has only that it ended.
    engine_failures: Arc<Mutex<HashMap<InstanceId, Failure>>>,
    bells: Mutex<HashMap<ServiceId, Arc<Notify>>>,
    tasks: Mutex<JoinSet<()>>,
    collect: Notify,
}

/// What a round came to.
enum Round {
    /// Steps were taken: look again at once.
    Again,
    /// Nothing to do before this time.
    Wait(Option<Timestamp>),
    /// Nothing to do: everything that is wanted runs and is well.
    Rest,
    /// The service is no more.
    Gone,
}

impl Reconciler {
    /// Adopts what runs and is routed, and begins to work.
    pub(crate) async fn start(parts: Arc<Parts>) -> Result<Arc<Self>> {
        let routes = Arc::new(RouteBook::adopt(Arc::clone(&parts)).await?);
        let health = Arc::new(Health::new(Arc::clone(&parts), routes.routed()));
        let this = Arc::new(Self {
            ops: Arc::new(Ops::default()),
            pulls: Arc::new(Pulls::default()),
            health,
            routes,
            engine_failures: Arc::default(),
            bells: Mutex::default(),
            tasks: Mutex::default(),
            collect: Notify::new(),
            parts,
        });
        let services = this.parts.store.service_ids().await?;
        this.stop_strangers().await?;
        this.routes.forget_strangers(&services).await?;
        for service in services {
            this.ring(service);
        }
        this.spawn(Arc::clone(&this).watch_engine());
        this.spawn(Arc::clone(&this).collect_images());
        this.spawn(Arc::clone(&this).resolve_doubts());
        this.spawn(crate::volume::purge_forever(Arc::clone(&this.parts)));
        this.spawn(crate::draft::forget_forever(Arc::clone(&this.parts)));
        Ok(this)
    }

    /// Stops deciding; nothing that runs is touched.
    pub(crate) async fn stop(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        self.health.stop();
        self.ops.abort_all();
        tasks.shutdown().await;
    }

    /// See [`crate::Control::introduce_proxy`].
    pub(crate) async fn introduce_proxy(&self) -> Result<()> {
        self.routes.publish().await
    }

    /// Routes every domain to its service, and none else.
    pub(crate) async fn follow_domains(&self) -> Result<()> {
        self.routes.follow_domains().await
    }

    /// Says that something about a service may be different.
    pub(crate) fn ring(self: &Arc<Self>, service: ServiceId) {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = bells.get(&service) {
            return bell.notify_one();
        }
        let bell = Arc::new(Notify::new());
        bells.insert(service, Arc::clone(&bell));
        drop(bells);
        self.spawn(Arc::clone(self).work(service, bell));
    }

    /// How far the pull of a deployment is.
    pub(crate) fn progress(&self, deployment: DeploymentId) -> Option<PullProgress> {
        self.pulls.progress(deployment)
    }

    /// These instances with how they are right now.
    pub(crate) async fn views_of(&self, instances: Vec<Instance>) -> Result<Vec<InstanceView>> {
        let mut views = Vec::with_capacity(instances.len());
        for instance in instances {
            let report = self.parts.engine.get(instance.id).await?;
            let state = self.state_of(&instance, report.as_ref());
            let (address, pid) = report.map_or((None, None), |report| (report.address, report.pid));
            views.push(InstanceView {
                state,
                verdict: self.health.verdict(instance.id),
                address,
                pid,
                instance,
            });
        }
        Ok(views)
    }

    async fn work(self: Arc<Self>, service: ServiceId, bell: Arc<Notify>) {
        let mut repeated = 0;
        let mut last = Vec::new();
        loop {
            let wait = match self.round(service, &mut last, &mut repeated).await {
                Ok(Round::Again) if repeated < 3 => continue,
                Ok(Round::Again) => {
                    warn!(%service, steps = ?last, "the same steps were planned again and again");
                    PAUSE
                }
                Ok(Round::Wait(at)) => self.until(at),
                Ok(Round::Rest) => REST,
                Ok(Round::Gone) => {
                    self.bells.lock().unwrap_or_else(PoisonError::into_inner).remove(&service);
                    self.collect.notify_one();
                    return;
                }
                Err(error) => {
                    error!(%service, ?error, "a round of the reconciler ended early");
                    PAUSE
                }
            };
            let _ = tokio::time::timeout(wait, bell.notified()).await;
        }
    }

    async fn round(
        &self,
        service: ServiceId,
        last: &mut Vec<mirage_core::Step>,
        repeated: &mut u32,
    ) -> Result<Round> {
        self.parts.rounds.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let Some(view) = self.observe(service).await? else { return Ok(Round::Gone) };
        let plan = plan(&view.desired, &view.observed, self.parts.clock.now());
        *repeated = if !plan.steps.is_empty() && plan.steps == *last { *repeated + 1 } else { 0 };
        if plan.steps.is_empty() {
            self.settle(&view).await?;
            last.clear();
            return Ok(match earlier(plan.wake_at, view.wake_at) {
                None if view.is_at_rest() => Round::Rest,
                at => Round::Wait(at),
            });
        }
        let gone = self.execute(&view, &plan.steps).await?;
        *last = plan.steps;
        Ok(if gone { Round::Gone } else { Round::Again })
    }

    fn until(&self, at: Option<Timestamp>) -> Duration {
        let now = self.parts.clock.now();
        at.map_or(HEARTBEAT, |at| {
            let left = at.duration_since(now);
            Duration::try_from(left).unwrap_or(Duration::ZERO).min(HEARTBEAT)
        })
    }

    /// Rings the services whose instances changed.
    async fn watch_engine(self: Arc<Self>) {
        let mut known: HashMap<_, InstanceReport> = HashMap::new();
        loop {
            self.parts.engine.changed().await;
            match self.parts.engine.list().await {
                Ok(reports) => {
                    let seen: HashMap<_, _> = reports.into_iter().map(|report| (report.id, report)).collect();
                    let changed = seen.iter().filter(|(id, report)| known.get(*id) != Some(*report));
                    let vanished = known.iter().filter(|(id, _)| !seen.contains_key(id));
                    for (_, report) in changed.chain(vanished) {
                        self.ring_known(report.service);
                    }
                    known = seen;
                }
                Err(error) => {
                    error!(?error, "the engine could not say what runs");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Looks at every service after a decision that may have been made although its caller heard nothing of it.
    async fn resolve_doubts(self: Arc<Self>) {
        loop {
            let looked = async {
                self.parts.store.doubted().await?;
                self.parts.announce_newest().await?;
                self.follow_domains().await?;
                self.parts.store.service_ids().await
            };
            match looked.await {
                Ok(services) => services.into_iter().for_each(|service| self.ring(service)),
                Err(error) => error!(?error, "it cannot be seen what became of a decision"),
            }
            // Looking at everything is dear, and a disk that takes nothing raises one doubt after the other.
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn collect_images(self: Arc<Self>) {
        let mut pause = COLLECT_EVERY;
        loop {
            let _ = tokio::time::timeout(pause, self.collect.notified()).await;
            pause = match crate::images::collect(&self.parts).await {
                Ok(Some(_)) => COLLECT_EVERY,
                Ok(None) => COLLECT_AGAIN,
                Err(error) => {
                    error!(?error, "images that nobody needs could not be removed");
                    COLLECT_EVERY
                }
            };
        }
    }

    /// Ends instances that the database does not know: their service was removed, or the decision to
    /// start them was never committed.
    async fn stop_strangers(&self) -> Result<()> {
        let mut strangers = Vec::new();
        for report in self.parts.engine.list().await? {
            if self.parts.store.instance(report.id).await?.is_none() {
                strangers.push(report.id);
            }
        }
        let stop = async |id: InstanceId| {
            warn!(instance = %id, "an instance that nobody knows is stopped");
            let stopped = self.parts.engine.stop(id, STRANGERS_GRACE);
            // Whoever else comes upon it stops it again.
            if let Err(error) = deadline::within(STRANGERS_GRACE + deadline::STOP, "stop", stopped).await {
                error!(instance = %id, ?error, "it could not be stopped");
            }
        };
        futures_util::future::join_all(strangers.into_iter().map(stop)).await;
        Ok(())
    }

    fn ring_known(&self, service: ServiceId) {
        if let Some(bell) = self.bells.lock().unwrap_or_else(PoisonError::into_inner).get(&service) {
            bell.notify_one();
        }
    }

    fn bell(&self, service: ServiceId) -> Arc<Notify> {
        let bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.get(&service).map_or_else(Arc::default, Arc::clone)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Finished workers leave their result behind until somebody takes it.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
