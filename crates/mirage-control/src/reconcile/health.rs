//! Probing: one task for each instance that runs, as long as it runs.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mirage_core::{DeploymentId, EventKind, InstanceId, Probe, ProbeFailure, ServiceId, Verdict};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tracing::error;

use crate::access::Actor;
use crate::parts::Parts;

/// The first pauses while an instance starts; most are ready within milliseconds.
const FIRST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_FIRST_PAUSE: Duration = Duration::from_millis(500);

pub(super) struct Health {
    parts: Arc<Parts>,
    known: Mutex<HashMap<InstanceId, Known>>,
}

struct Known {
    verdict: Verdict,
    task: Option<AbortHandle>,
}

/// Whom to probe.
pub(super) struct Subject {
    pub(super) instance: InstanceId,
    pub(super) service: ServiceId,
    pub(super) deployment: DeploymentId,
    pub(super) address: SocketAddr,
    pub(super) probe: Probe,
}

impl Health {
    /// Instances that had traffic when the platform was last seen count as healthy until asked.
    pub(super) fn new(parts: Arc<Parts>, routed: BTreeSet<InstanceId>) -> Self {
        let adopted = |id| (id, Known { verdict: Verdict::Healthy, task: None });
        Self { parts, known: Mutex::new(routed.into_iter().map(adopted).collect()) }
    }

    pub(super) fn verdict(&self, instance: InstanceId) -> Verdict {
        self.lock().get(&instance).map(|known| known.verdict.clone()).unwrap_or_default()
    }

    /// Sets the verdict on an instance that nobody can ask.
    pub(super) fn declare(&self, instance: InstanceId, verdict: Verdict) {
        self.lock().entry(instance).or_insert(Known { verdict: Verdict::Unknown, task: None }).verdict =
            verdict;
    }

    /// Begins to probe an instance unless that is under way.
    pub(super) fn probe(self: &Arc<Self>, subject: Subject, bell: Arc<Notify>) {
        let mut known = self.lock();
        let entry = known.entry(subject.instance).or_insert(Known { verdict: Verdict::Unknown, task: None });
        if entry.task.is_none() {
            let proven = entry.verdict == Verdict::Healthy;
            entry.task = Some(tokio::spawn(Arc::clone(self).ask(subject, bell, proven)).abort_handle());
        }
    }

    /// Stops probing an instance and forgets it.
    pub(super) fn forget(&self, instance: InstanceId) {
        if let Some(Known { task: Some(task), .. }) = self.lock().remove(&instance) {
            task.abort();
        }
    }

    pub(super) fn stop(&self) {
        for known in self.lock().values() {
            if let Some(task) = &known.task {
                task.abort();
            }
        }
    }

    async fn ask(self: Arc<Self>, subject: Subject, bell: Arc<Notify>, mut proven: bool) {
        let interval = Duration::from_millis(subject.probe.interval_millis);
        let mut pause = FIRST_PAUSE;
        let mut bad = 0;
        loop {
            match self.parts.router.probe(subject.address, &subject.probe).await {
                Ok(()) => {
                    (bad, pause) = (0, interval);
                    if self.learn(&subject, Verdict::Healthy, proven).await {
                        bell.notify_one();
                    }
                    proven = true;
                }
                Err(failure) => {
                    bad += 1;
                    if !proven {
                        pause = (pause * 3 / 2).min(interval).min(LONGEST_FIRST_PAUSE);
                    }
                    let unhealthy = !proven || bad >= subject.probe.threshold;
                    if unhealthy && self.learn(&subject, Verdict::Unhealthy(failure), proven).await && proven
                    {
                        bell.notify_one();
                    }
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Notes a verdict; says whether it changed in kind. A change of an instance that was already
    /// proven is a fact for the event log.
    async fn learn(&self, subject: &Subject, verdict: Verdict, proven: bool) -> bool {
        let changed = {
            let mut known = self.lock();
            let Some(entry) = known.get_mut(&subject.instance) else { return false };
            let was = std::mem::replace(&mut entry.verdict, verdict.clone());
            std::mem::discriminant(&was) != std::mem::discriminant(&verdict)
        };
        if changed && proven {
            self.record(subject, verdict).await;
        }
        changed
    }

    async fn record(&self, subject: &Subject, verdict: Verdict) {
        let instance = subject.instance;
        let kind = match verdict {
            Verdict::Unhealthy(failure) => {
                EventKind::InstanceUnhealthy { instance, reason: reason(&failure) }
            }
            _ => EventKind::InstanceHealthy { instance },
        };
        let event =
            Actor::platform().event_of(self.parts.clock.now(), (subject.service, subject.deployment), kind);
        let written = async {
            let mut tx = self.parts.store.begin().await?;
            tx.append(event).await?;
            tx.commit().await
        };
        match written.await {
            Ok(events) => self.parts.announce(events),
            Err(error) => error!(?error, "a change of health could not be recorded"),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<InstanceId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reason(failure: &ProbeFailure) -> String {
    failure.to_string()
}
