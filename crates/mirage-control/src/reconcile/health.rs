//! Probing: one task for each instance that runs, as long as it runs.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use mirage_core::{
    DeploymentId, Error, EventKind, ExecCommand, ExecOutcome, HttpCheck, InstanceId, ProbeFailure, Revision,
    ServiceId, Timing, Verdict,
};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tracing::error;

use crate::access::Actor;
use crate::parts::Parts;

/// The first pauses while an instance starts; most are ready within milliseconds.
const FIRST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The same where each question is a process.
const FIRST_COMMAND_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_FIRST_COMMAND_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Health {
    parts: Arc<Parts>,
    /// Nobody was asked before.
    since: Timestamp,
    known: Mutex<HashMap<InstanceId, Known>>,
}

#[derive(Default)]
struct Known {
    verdict: Verdict,
    /// When it ceased to be healthy.
    unwell_since: Option<Timestamp>,
    task: Option<AbortHandle>,
}

/// Whom to probe, and how.
pub(super) struct Subject {
    pub(super) instance: InstanceId,
    pub(super) service: ServiceId,
    pub(super) deployment: DeploymentId,
    pub(super) question: Question,
    pub(super) timing: Timing,
}

/// What is asked.
pub(super) enum Question {
    /// A request to this address or, without one, a connection.
    Outside(SocketAddr, Option<HttpCheck>),
    /// These words are executed in the instance, in the environment of this revision.
    Inside(Vec<String>, Box<Revision>),
}

impl Health {
    /// Instances that had traffic when the platform was last seen count as healthy until asked.
    pub(super) fn new(parts: Arc<Parts>, routed: BTreeSet<InstanceId>) -> Self {
        let adopted = |id| (id, Known { verdict: Verdict::Healthy, ..Known::default() });
        let since = parts.clock.now();
        Self { parts, since, known: Mutex::new(routed.into_iter().map(adopted).collect()) }
    }

    pub(super) fn verdict(&self, instance: InstanceId) -> Verdict {
        self.lock().get(&instance).map(|known| known.verdict.clone()).unwrap_or_default()
    }

    /// Since when an instance that runs since `running` has not been healthy, as far as it was looked at.
    pub(super) fn unwell_since(&self, instance: InstanceId, running: Timestamp) -> Timestamp {
        let known = self.lock().get(&instance).and_then(|known| known.unwell_since);
        let unwell = known.unwrap_or(running);
        // A start that is still to come was before the clock was set back.
        if self.since <= self.parts.clock.now() { unwell.max(self.since) } else { unwell }
    }

    /// Sets the verdict on an instance that nobody can ask.
    pub(super) fn declare(&self, instance: InstanceId, verdict: Verdict) {
        self.lock().entry(instance).or_default().verdict = verdict;
    }

    /// Begins to probe an instance unless that is under way.
    pub(super) fn probe(
        self: &Arc<Self>,
        instance: InstanceId,
        bell: Arc<Notify>,
        subject: impl FnOnce() -> Subject,
    ) {
        let mut known = self.lock();
        let entry = known.entry(instance).or_default();
        if entry.task.is_none() {
            let proven = entry.verdict == Verdict::Healthy;
            let work = Arc::clone(self).watch(subject(), bell, proven);
            entry.task = Some(tokio::spawn(work).abort_handle());
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

    async fn watch(self: Arc<Self>, subject: Subject, bell: Arc<Notify>, mut proven: bool) {
        let interval = Duration::from_millis(subject.timing.interval_millis);
        let (first, longest) = subject.question.first_pauses();
        let (mut pause, mut bad) = (first, 0);
        if proven {
            pause = interval;
            tokio::time::sleep(subject.stagger()).await;
        }
        loop {
            match self.ask(&subject).await {
                Ok(()) => {
                    (bad, pause) = (0, interval);
                    if self.learn(&subject, Verdict::Healthy) {
                        bell.notify_one();
                        self.record(&subject, Verdict::Healthy, proven).await;
                    }
                    proven = true;
                }
                Err(failure) => {
                    bad += 1;
                    if !proven {
                        pause = (pause * 3 / 2).min(interval).min(longest);
                    }
                    let verdict = Verdict::Unhealthy(failure);
                    let unhealthy = !proven || bad >= subject.timing.threshold;
                    if unhealthy && self.learn(&subject, verdict.clone()) && proven {
                        bell.notify_one();
                        self.record(&subject, verdict, proven).await;
                    }
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Asks once, and waits for the answer: there are never two questions to an instance at a time.
    async fn ask(&self, subject: &Subject) -> Result<(), ProbeFailure> {
        let timeout = Duration::from_millis(subject.timing.timeout_millis);
        match &subject.question {
            Question::Outside(address, request) => {
                self.parts.router.probe(*address, request.as_ref(), timeout).await
            }
            Question::Inside(arguments, revision) => {
                let broken = |error: Error| ProbeFailure::Broken(error.message().to_owned());
                let variables = self.parts.environment(revision).map_err(broken)?;
                let command = ExecCommand { arguments: arguments.clone(), variables, timeout };
                let ExecOutcome { ending, output } =
                    self.parts.engine.exec(subject.instance, &command).await.map_err(broken)?;
                if ending.is_success() { Ok(()) } else { Err(ProbeFailure::Command { ending, output }) }
            }
        }
    }

    /// Notes a verdict; says whether it changed in kind.
    fn learn(&self, subject: &Subject, verdict: Verdict) -> bool {
        let mut known = self.lock();
        let Some(entry) = known.get_mut(&subject.instance) else { return false };
        let was = std::mem::replace(&mut entry.verdict, verdict);
        match (&was, &entry.verdict) {
            (_, Verdict::Healthy) => entry.unwell_since = None,
            (Verdict::Healthy, _) => entry.unwell_since = Some(self.parts.clock.now()),
            _ => {}
        }
        std::mem::discriminant(&was) != std::mem::discriminant(&entry.verdict)
    }

    /// A change of an instance that was already proven is a fact for the event log. Written after the route was
    /// told of it, which must not wait for the disk.
    async fn record(&self, subject: &Subject, verdict: Verdict, proven: bool) {
        if !proven {
            return;
        }
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

impl Question {
    /// The first pause while an instance starts, and the longest: a command costs more than a connection.
    fn first_pauses(&self) -> (Duration, Duration) {
        match self {
            Self::Outside(..) => (FIRST_PAUSE, LONGEST_FIRST_PAUSE),
            Self::Inside(..) => (FIRST_COMMAND_PAUSE, LONGEST_FIRST_COMMAND_PAUSE),
        }
    }
}

impl Subject {
    /// How long an instance that was adopted is believed before it is asked: a part of its interval, another one
    /// for each, so that a platform that starts again does not begin with a command in every instance at once.
    fn stagger(&self) -> Duration {
        let Question::Inside(..) = self.question else { return Duration::ZERO };
        let share = u64::from_str_radix(&self.instance.short(), 16).unwrap_or(0);
        Duration::from_millis((self.timing.interval_millis / 256).saturating_mul(share >> 24))
    }
}

fn reason(failure: &ProbeFailure) -> String {
    failure.to_string()
}
