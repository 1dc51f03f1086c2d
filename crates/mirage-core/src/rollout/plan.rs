//! The decision itself.

mod places;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use places::Places;

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
    let mut planner = Planner { desired, observed, now, places: Places::default(), plan: Plan::default() };
    planner.places = planner.survey();
    if desired.removed {
        planner.remove();
    } else {
        planner.advance_candidate();
        // What was active until now is looked at again when it no longer is.
        if planner.plan.steps.iter().any(|step| matches!(step, Step::Activate { .. })) {
            return planner.plan;
        }
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
    places: Places,
    plan: Plan,
}

impl<'a> Planner<'a> {
    /// Removal: no more pulls, no more requests, no more instances, then nothing at all.
    fn remove(&mut self) {
        let (desired, observed) = (self.desired, self.observed);
        let images =
            [(&desired.candidate, &observed.candidate_image), (&desired.active, &observed.active_image)];
        for (attempt, image) in images {
            if let (Some(attempt), ImageState::Pulling) = (attempt, image) {
                self.plan.steps.push(Step::StopPull { deployment: attempt.deployment });
            }
        }
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
            if self.observed.candidate_image == ImageState::Pulling {
                return self.step(Step::StopPull { deployment: candidate.deployment });
            }
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
        let missing: Vec<_> =
            (0..self.desired.replicas).filter(|o| !own.iter().any(|i| i.ordinal == *o)).collect();
        if !missing.is_empty() {
            self.enter(candidate, Phase::Starting);
        }
        for &ordinal in missing.iter().take(self.room(candidate)) {
            let before = self.of(candidate.deployment).filter(|i| i.ordinal == ordinal && !i.stopped);
            let attempt = before.map(|i| i.attempt + 1).max().unwrap_or(0);
            self.step(Step::Start { deployment: candidate.deployment, ordinal, attempt });
        }
        if !missing.is_empty() || own.iter().any(|i| i.state == InstanceState::Starting) {
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

    /// How many instances of the candidate may be started now.
    fn room(&self, candidate: &Attempt) -> usize {
        if self.is_blocked(candidate) {
            return 0;
        }
        let Some(surge) = candidate.surge.filter(|_| self.is_rolling(candidate)) else { return usize::MAX };
        let most = self.desired.replicas.saturating_add(surge);
        // One that is replaced because it is ill counts once, or an ill deployment could not be replaced.
        let places: BTreeSet<_> = self
            .observed
            .instances
            .iter()
            .filter(|i| !i.is_gone())
            .map(|i| (i.deployment, i.ordinal))
            .collect();
        usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(places.len())
    }

    /// Whether an instance is still there that may not run beside a new one of this deployment.
    fn is_blocked(&self, attempt: &Attempt) -> bool {
        let attempts = [&self.desired.active, &self.desired.candidate];
        let harmless =
            |id| attempts.into_iter().flatten().any(|other| other.deployment == id && !other.exclusive);
        let is_other = |i: &ObservedInstance| match i.deployment == attempt.deployment {
            // A candidate's are replaced after it has become active.
            true => attempt.phase == Phase::Active && i.generation < self.desired.generation,
            false => true,
        };
        let instances = &self.observed.instances;
        attempt.exclusive && instances.iter().any(|i| !i.is_gone() && is_other(i) && !harmless(i.deployment))
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
        if self.yields_to_candidate(active) || self.is_blocked(active) {
            return;
        }
        for ordinal in 0..self.desired.replicas {
            if self.has_successor(ordinal) {
                continue;
            }
            let Some(attempt) = self.next_attempt(active, ordinal) else { continue };
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

    /// The number of the try if an instance of the active deployment is to be started at this place now.
    fn next_attempt(&mut self, active: &Attempt, ordinal: u32) -> Option<u32> {
        let newest = self
            .of(active.deployment)
            .filter(|i| i.ordinal == ordinal && i.generation == self.desired.generation)
            .last();
        let Some(instance) = newest else { return Some(0) };
        match &instance.state {
            InstanceState::Exited(_) if instance.stopped => Some(0),
            InstanceState::Exited(exit) => {
                let (attempt, at) = active.restart.next_try(instance.attempt, instance.created_at, exit)?;
                if self.is_within(at, LONGEST_PAUSE) {
                    self.wake(at);
                    return None;
                }
                Some(attempt)
            }
            InstanceState::Running { .. } if !active.exclusive => self.replacement_of(active, instance),
            _ => None,
        }
    }

    /// The number of the try that replaces an instance which runs and has not been well for too long.
    fn replacement_of(&mut self, active: &Attempt, instance: &ObservedInstance) -> Option<u32> {
        let attempt = active.restart.next_after_illness(instance.attempt, instance.created_at, self.now)?;
        self.is_ill(active, instance).then_some(attempt)
    }

    /// Whether an instance has not been well for longer than it has to become well.
    fn is_ill(&mut self, active: &Attempt, instance: &ObservedInstance) -> bool {
        let Some(since) = instance.unwell_since else { return false };
        let until = later(since, active.budget_millis);
        let waits = self.is_within(until, Duration::from_millis(active.budget_millis.saturating_mul(2)));
        if waits {
            self.wake(until);
        }
        !waits
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
        let mut wanted = BTreeSet::new();
        if let Some(candidate) = self.arriving() {
            let new: Vec<_> = self.standing(candidate).filter(|i| i.is_healthy()).collect();
            let complete = (0..self.desired.replicas).all(|o| new.iter().any(|i| i.ordinal == o));
            if complete || self.is_rolling(candidate) {
                wanted.extend(new.iter().map(|i| i.id));
            }
            if complete {
                return wanted;
            }
        }
        let Some(active) = &self.desired.active else { return wanted };
        let old = healthy(active.deployment).filter(|i| {
            (i.ordinal < self.desired.replicas || self.stands_in(i))
                && !i.stopped
                && !self.is_replaced(i)
                && !self.is_outdated(active, i)
                && !self.has_successor(i.ordinal)
        });
        if !self.yields_to_candidate(active) {
            wanted.extend(old.map(|i| i.id));
        }
        wanted
    }

    /// The candidate, once its image is here and as long as it is not given up.
    fn arriving(&self) -> Option<&'a Attempt> {
        let candidate = self.desired.candidate.as_ref().filter(|candidate| candidate.doomed.is_none())?;
        (self.observed.candidate_image == ImageState::Present).then_some(candidate)
    }

    /// Whether the candidate replaces the active instances in turns.
    fn is_rolling(&self, candidate: &Attempt) -> bool {
        !candidate.exclusive && candidate.surge.is_some_and(|surge| surge < self.desired.replicas)
    }

    /// Whether all instances of the active deployment have to be gone before the candidate is started.
    fn yields_to_candidate(&self, active: &Attempt) -> bool {
        active.exclusive && self.arriving().is_some_and(|candidate| candidate.exclusive)
    }

    /// Whether the candidate, taking over in turns, has a healthy instance at this place.
    fn has_successor(&self, ordinal: u32) -> bool {
        self.places.taken_over.contains(&ordinal)
    }

    /// Whether the active instance at this place may go for one of the candidate now. The last ones stay until
    /// the candidate is active: it may still fail.
    fn is_relieved(&self, ordinal: u32) -> bool {
        !self.places.complete && self.places.relieved.contains(&ordinal)
    }

    /// Whether a healthy and newer instance stands at the same place.
    fn is_replaced(&self, old: &ObservedInstance) -> bool {
        let at_place = self.of(old.deployment).filter(|i| i.ordinal == old.ordinal);
        after(old, at_place).any(|i| i.generation >= old.generation && i.is_healthy() && !i.stopped)
    }

    /// Whether a healthy instance of the active deployment that is one too many stays.
    fn stands_in(&self, i: &ObservedInstance) -> bool {
        let is_active = self.desired.active.as_ref().is_some_and(|active| active.deployment == i.deployment);
        is_active && i.is_healthy() && self.places.standing_in.contains(&i.ordinal)
    }

    /// Whether an instance has to go before one of the wanted generation may start.
    fn is_outdated(&self, active: &Attempt, i: &ObservedInstance) -> bool {
        active.exclusive && i.generation < self.desired.generation
    }

    /// Lets go of instances that nobody wants and that get no new requests any more.
    fn retire(&mut self) {
        for instance in self.observed.instances.iter().filter(|i| i.is_up() && !i.routed) {
            if !self.belongs(instance) && !self.lingers(instance) {
                self.plan.steps.push(Step::Retire { instance: instance.id });
            }
        }
    }

    fn belongs(&mut self, i: &ObservedInstance) -> bool {
        if i.stopped || self.is_replaced(i) || (i.ordinal >= self.desired.replicas && !self.stands_in(i)) {
            return false;
        }
        let candidate = self.desired.candidate.as_ref().filter(|candidate| candidate.doomed.is_none());
        if candidate.is_some_and(|candidate| candidate.deployment == i.deployment) {
            return true;
        }
        let Some(active) = self.desired.active.as_ref().filter(|active| active.deployment == i.deployment)
        else {
            return false;
        };
        !self.yields_to_candidate(active)
            && !self.is_outdated(active, i)
            && !self.is_relieved(i.ordinal)
            && !self.is_given_up(active, i)
    }

    /// Whether an active instance that is not well is not waited for any longer: another one was started at its
    /// place, or can only be started when this one is gone.
    fn is_given_up(&mut self, active: &Attempt, i: &ObservedInstance) -> bool {
        if i.is_healthy() {
            return false;
        }
        let at_place = self.of(i.deployment).filter(|other| other.ordinal == i.ordinal);
        let followed =
            after(i, at_place).any(|other| other.generation == self.desired.generation && other.is_up());
        let again = active.restart.next_after_illness(i.attempt, i.created_at, self.now).is_some();
        followed || (active.exclusive && again && self.is_ill(active, i))
    }

    /// Whether an instance of a deployment that was superseded is to stay a while.
    fn lingers(&mut self, i: &ObservedInstance) -> bool {
        let Some(active) = &self.desired.active else { return false };
        let candidate = self.desired.candidate.as_ref();
        let known = i.deployment == active.deployment
            || candidate.is_some_and(|candidate| candidate.deployment == i.deployment);
        let (false, false, Some(since)) = (known, active.exclusive, active.active_since) else {
            return false;
        };
        let until = later(since, active.overlap_millis);
        if i.is_healthy() && self.is_within(until, Duration::from_millis(active.overlap_millis)) {
            self.wake(until);
            return true;
        }
        false
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

    pub(super) fn is_healthy(&self) -> bool {
        matches!(self.state, InstanceState::Running { .. }) && self.verdict == Verdict::Healthy
    }

    fn is_up(&self) -> bool {
        matches!(self.state, InstanceState::Starting | InstanceState::Running { .. })
    }
}

/// Those that were decided after this one.
fn after<'a>(
    one: &ObservedInstance,
    all: impl Iterator<Item = &'a ObservedInstance>,
) -> impl Iterator<Item = &'a ObservedInstance> {
    let id = one.id;
    all.skip_while(move |i| i.id != id).skip(1)
}

fn later(time: Timestamp, millis: u64) -> Timestamp {
    time.saturating_add(Duration::from_millis(millis)).unwrap_or(Timestamp::MAX)
}
