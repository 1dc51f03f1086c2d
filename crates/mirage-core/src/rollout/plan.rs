//! The decision itself.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::restart::LONGEST_PAUSE;
use super::{Attempt, Cause, Desired, ImageState, Observed, ObservedInstance, Plan, Step};
use crate::deployment::Phase;
use crate::id::{DeploymentId, InstanceId};
use crate::instance::InstanceState;
use crate::probe::Verdict;

/// How often an instance of a candidate may go without anybody having seen it end. What happens more
/// often than machines restart is a fault, and is reported as one.
const MAX_MISSED: u32 = 3;

/// What to do now, so that the service becomes what is wanted. Pure: the same question always gets
/// the same answer, and asking again while a step is under way never begins it twice.
pub fn plan(desired: &Desired, observed: &Observed, now: Timestamp) -> Plan {
    let mut planner = Planner { desired, observed, now, plan: Plan::default() };
    if desired.removed {
        planner.remove();
    } else {
        planner.advance_candidate();
        planner.keep_active();
        planner.route();
        planner.retire();
        planner.sweep();
    }
    planner.plan
}

struct Planner<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    now: Timestamp,
    plan: Plan,
}

impl<'a> Planner<'a> {
    /// Removal: no more requests, no more instances, then nothing at all.
    fn remove(&mut self) {
        if self.observed.instances.iter().any(|i| i.routed) {
            self.step(Step::Route { instances: BTreeSet::new() });
            return;
        }
        let mut left = false;
        for instance in self.observed.instances.iter().filter(|i| !i.is_gone()) {
            left = true;
            if instance.is_up() {
                self.plan.steps.push(Step::Retire { instance: instance.id });
            }
        }
        left |= !self.observed.remains.is_empty();
        self.sweep();
        if !left {
            self.step(Step::Forget);
        }
    }

    /// Moves the candidate one phase on, or gives it up.
    fn advance_candidate(&mut self) {
        let Some(candidate) = &self.desired.candidate else { return };
        if let Some(end) = candidate.doomed {
            if self.of(candidate.deployment).all(ObservedInstance::is_gone) {
                self.step(Step::Enter { deployment: candidate.deployment, phase: end });
            }
            return;
        }
        match &self.observed.candidate_image {
            ImageState::Failed(failure) => {
                return self.abandon(candidate, Cause::Image(failure.clone()));
            }
            ImageState::Absent => {
                self.enter(candidate, Phase::Preparing);
                return self.step(Step::Pull { deployment: candidate.deployment });
            }
            ImageState::Pulling => return,
            ImageState::Present => {}
        }
        if let Some(cause) = self.failure_of(candidate) {
            return self.abandon(candidate, cause);
        }
        let own: Vec<_> = self.standing(candidate).collect();
        let mut waiting = false;
        for ordinal in 0..self.desired.replicas {
            if !own.iter().any(|i| i.ordinal == ordinal) {
                let before = self.of(candidate.deployment).filter(|i| i.ordinal == ordinal && !i.stopped);
                let attempt = before.map(|i| i.attempt + 1).max().unwrap_or(0);
                self.enter(candidate, Phase::Starting);
                self.step(Step::Start { deployment: candidate.deployment, ordinal, attempt });
                waiting = true;
            }
        }
        if waiting || own.iter().any(|i| i.state == InstanceState::Starting) {
            return;
        }
        self.enter(candidate, Phase::Probing);
        if own.iter().all(|i| i.verdict == Verdict::Healthy) {
            self.enter(candidate, Phase::Switching);
            if own.iter().all(|i| i.routed)
                && self.observed.instances.iter().all(|i| !i.routed || i.deployment == candidate.deployment)
            {
                self.step(Step::Activate { deployment: candidate.deployment });
            }
        }
    }

    /// The first reason why the candidate cannot become active.
    fn failure_of(&mut self, candidate: &Attempt) -> Option<Cause> {
        for instance in self.standing(candidate) {
            if let Some(failure) = &instance.engine_failure {
                return Some(Cause::Engine(failure.clone()));
            }
            if let InstanceState::Exited(exit) = &instance.state {
                return Some(Cause::Exited { instance: instance.id, exit: exit.clone() });
            }
            if instance.verdict == Verdict::Healthy {
                continue;
            }
            let since = match instance.state {
                InstanceState::Running { since } => since,
                // How long it takes to start is the engine's business, which has a deadline of its own.
                InstanceState::Starting => continue,
                _ => instance.created_at,
            };
            let deadline = later(since, candidate.budget_millis);
            // Twice: it may have begun to run a moment after this round looked at the clock.
            if !self.is_within(deadline, Duration::from_millis(candidate.budget_millis.saturating_mul(2))) {
                let last = match &instance.verdict {
                    Verdict::Unhealthy(failure) => Some(failure.clone()),
                    _ => None,
                };
                return Some(Cause::Unhealthy { instance: instance.id, last });
            }
            self.wake(deadline);
        }
        None
    }

    /// Keeps as many instances of the active deployment as are wanted, of the wanted generation.
    fn keep_active(&mut self) {
        let Some(active) = &self.desired.active else { return };
        for ordinal in 0..self.desired.replicas {
            let newest = self
                .of(active.deployment)
                .filter(|i| i.ordinal == ordinal && i.generation == self.desired.generation)
                .last();
            let attempt = match newest {
                None => 0,
                Some(instance) => match &instance.state {
                    InstanceState::Exited(_) if instance.stopped => 0,
                    InstanceState::Exited(exit) => {
                        match active.restart.next_try(instance.attempt, instance.created_at, exit) {
                            None => continue,
                            Some((_, at)) if self.is_within(at, LONGEST_PAUSE) => {
                                self.wake(at);
                                continue;
                            }
                            Some((attempt, _)) => attempt,
                        }
                    }
                    _ => continue,
                },
            };
            match self.observed.active_image {
                ImageState::Present => {
                    self.step(Step::Start { deployment: active.deployment, ordinal, attempt });
                }
                ImageState::Absent => return self.step(Step::Pull { deployment: active.deployment }),
                ImageState::Pulling => return,
                // Tried again by the control plane's own timer, which clears the failure.
                ImageState::Failed(_) => return,
            }
        }
    }

    /// Sends requests where they belong, if they go elsewhere now.
    fn route(&mut self) {
        let wanted = self.wanted_route();
        let current: BTreeSet<_> =
            self.observed.instances.iter().filter(|i| i.routed).map(|i| i.id).collect();
        if wanted != current {
            self.step(Step::Route { instances: wanted });
        }
    }

    fn wanted_route(&self) -> BTreeSet<InstanceId> {
        let healthy = |deployment: DeploymentId| self.of(deployment).filter(|i| i.is_healthy());
        if let Some(candidate) = &self.desired.candidate
            && candidate.doomed.is_none()
            && self.observed.candidate_image == ImageState::Present
            && (0..self.desired.replicas).all(|o| healthy(candidate.deployment).any(|i| i.ordinal == o))
        {
            return self.standing(candidate).filter(|i| i.is_healthy()).map(|i| i.id).collect();
        }
        let Some(active) = &self.desired.active else { return BTreeSet::new() };
        healthy(active.deployment)
            .filter(|i| i.ordinal < self.desired.replicas && !self.is_replaced(i))
            .map(|i| i.id)
            .collect()
    }

    /// Whether a healthy instance of the wanted generation stands at the same place.
    fn is_replaced(&self, old: &ObservedInstance) -> bool {
        old.generation < self.desired.generation
            && self.of(old.deployment).any(|i| {
                i.ordinal == old.ordinal && i.generation == self.desired.generation && i.is_healthy()
            })
    }

    /// Lets go of instances that nobody wants and that get no new requests any more.
    fn retire(&mut self) {
        let active = self.desired.active.as_ref().map(|a| a.deployment);
        let candidate = self.desired.candidate.as_ref().filter(|c| c.doomed.is_none()).map(|c| c.deployment);
        for instance in &self.observed.instances {
            let belongs = (Some(instance.deployment) == active || Some(instance.deployment) == candidate)
                && instance.ordinal < self.desired.replicas
                && !self.is_replaced(instance);
            if !belongs && !instance.routed && instance.is_up() {
                self.plan.steps.push(Step::Retire { instance: instance.id });
            }
        }
    }

    /// Has the engine clean up behind instances that ended.
    fn sweep(&mut self) {
        for remains in self.observed.remains.iter().filter(|remains| !remains.sweeping) {
            self.plan.steps.push(Step::Sweep { instance: remains.instance });
        }
    }

    fn abandon(&mut self, candidate: &Attempt, cause: Cause) {
        self.step(Step::Abandon { deployment: candidate.deployment, cause });
    }

    /// Records the phase unless the deployment is already there or further.
    fn enter(&mut self, candidate: &Attempt, phase: Phase) {
        let said = self.plan.steps.iter().any(|s| matches!(s, Step::Enter { phase: p, .. } if *p == phase));
        if candidate.phase.may_become(phase) && !said {
            self.step(Step::Enter { deployment: candidate.deployment, phase });
        }
    }

    /// The candidate's instances by which it is judged. Not those that were let go, as when the service
    /// is scaled down meanwhile; and not those that nobody saw end, which are started again: the machine
    /// was restarted, or the control plane was killed before it had them started.
    fn standing(&self, candidate: &Attempt) -> impl Iterator<Item = &'a ObservedInstance> + use<'a> {
        let replicas = self.desired.replicas;
        self.of(candidate.deployment).filter(move |i| {
            let missed = matches!(&i.state, InstanceState::Exited(exit) if exit.is_vanished());
            i.ordinal < replicas && !i.stopped && !(missed && i.attempt < MAX_MISSED)
        })
    }

    fn of(&self, deployment: DeploymentId) -> impl Iterator<Item = &'a ObservedInstance> + use<'a> {
        self.observed.instances.iter().filter(move |i| i.deployment == deployment)
    }

    fn step(&mut self, step: Step) {
        self.plan.steps.push(step);
    }

    /// Whether it is still to come, and not later than it can be. A time further off was written down before
    /// the clock was set back, and waiting for it could take forever.
    fn is_within(&self, at: Timestamp, most: Duration) -> bool {
        self.now < at && at <= self.now.saturating_add(most).unwrap_or(Timestamp::MAX)
    }

    fn wake(&mut self, at: Timestamp) {
        self.plan.wake_at = Some(self.plan.wake_at.map_or(at, |other| other.min(at)));
    }
}

impl ObservedInstance {
    fn is_gone(&self) -> bool {
        matches!(self.state, InstanceState::Exited(_))
    }

    fn is_healthy(&self) -> bool {
        matches!(self.state, InstanceState::Running { .. }) && self.verdict == Verdict::Healthy
    }

    fn is_up(&self) -> bool {
        matches!(self.state, InstanceState::Starting | InstanceState::Running { .. })
    }
}

fn later(time: Timestamp, millis: u64) -> Timestamp {
    time.saturating_add(Duration::from_millis(millis)).unwrap_or(Timestamp::MAX)
}
