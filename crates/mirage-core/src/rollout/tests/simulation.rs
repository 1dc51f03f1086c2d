//! The planner among engines that are slow, processes that die and users who change their minds: many random
//! histories without IO, each of which has to come to rest within the sum of its deadlines.

mod events;
mod invariants;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::rollout::Remains;

/// Histories that are played. Each is a function of its number.
const HISTORIES: u64 = 100_000;

/// Deadlines of this world, in milliseconds, far shorter than those of the real one.
const PULL: i64 = 4_000;
const START: i64 = 1_000;
const BUDGET: i64 = 3_000;
const OVERLAP: i64 = 700;
/// Draining, the stop signal, the grace and the kill.
const RETIRE: i64 = 2_500;
/// A process that goes on failing is given up after ten tries; their pauses make up this time.
const CRASH_LOOP: i64 = 180_000;

/// SplitMix64: enough for a walk, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    fn millis(&mut self, most: i64) -> i64 {
        self.roll(most.unsigned_abs()).cast_signed()
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.roll(chances) == 0
    }
}

/// What the image of a deployment is like.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Nature {
    Serves,
    CannotBePulled,
    CannotBeStarted,
    EndsAtOnce,
    NeverWell,
    FallsIllLater,
    DiesLater,
}

#[derive(Clone, Debug)]
struct Planned {
    attempt: Attempt,
    nature: Nature,
    cancelled: bool,
    failed: bool,
    pull: Option<(i64, bool)>,
    present: bool,
    pull_failure: Option<Failure>,
}

/// An instance as the world has it, behind what the planner may see.
#[derive(Clone, Debug)]
struct Actual {
    seen: ObservedInstance,
    /// When the start that is under way ends.
    starting: Option<i64>,
    /// When the retirement that is under way ends.
    retiring: Option<i64>,
    well_at: Option<i64>,
    ill_at: Option<i64>,
    dies_at: Option<i64>,
    /// Whether the engine has it, whatever the database says.
    exists: bool,
    /// Whether something of it is left for the engine to clean up once it has ended.
    left: bool,
    /// When the cleaning up that is under way ends.
    sweeping: Option<i64>,
}

struct World {
    dice: Dice,
    now: i64,
    /// How far the clock on the wall is off.
    offset: i64,
    made: u8,
    desired: Desired,
    active: Option<Planned>,
    moving: Vec<Planned>,
    instances: Vec<Actual>,
    routed: BTreeSet<InstanceId>,
    forgotten: bool,
    log: Vec<String>,
}

impl Actual {
    fn is_left(&self) -> bool {
        self.left && matches!(self.seen.state, InstanceState::Exited(_))
    }

    fn remains(&self) -> Remains {
        Remains { instance: self.seen.id, sweeping: self.sweeping.is_some() }
    }
}

fn failure(message: &str) -> Failure {
    Failure { code: Code::ImagePullError, message: message.into(), hint: None, log_tail: vec![] }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut desired = Story::new().desired;
        let mut dice = Dice(seed);
        desired.replicas = 1 + u32::try_from(dice.roll(3)).unwrap();
        Self {
            dice,
            now: 0,
            offset: 0,
            made: 0,
            desired,
            active: None,
            moving: Vec::new(),
            instances: Vec::new(),
            routed: BTreeSet::new(),
            forgotten: false,
            log: Vec::new(),
        }
    }

    /// What the reconciler sees; what it sees to have ended it writes down.
    fn observe(&mut self) -> Observed {
        let now = self.clock();
        for planned in self.moving.iter_mut().chain(&mut self.active) {
            if let Some((_, well)) = planned.pull.filter(|(done, _)| *done <= self.now) {
                planned.pull = None;
                planned.present = well;
                planned.pull_failure = (!well).then(|| failure("wrong bytes"));
            }
        }
        let natures: BTreeMap<_, _> =
            self.moving.iter().chain(&self.active).map(|p| (p.attempt.deployment, p.nature)).collect();
        for actual in &mut self.instances {
            let exit = |code| Exit { code, signal: None, oom: false, start_error: None, at: now };
            if matches!(actual.seen.state, InstanceState::Exited(_)) {
                if actual.sweeping.is_some_and(|done| done <= self.now) {
                    (actual.left, actual.sweeping) = (false, None);
                }
                continue;
            }
            if actual.starting.is_some_and(|done| done <= self.now) {
                actual.starting = None;
                if natures.get(&actual.seen.deployment) == Some(&Nature::CannotBeStarted) {
                    actual.seen.engine_failure = Some(failure("no such program"));
                    actual.seen.state = InstanceState::Exited(exit(Some(127)));
                    actual.exists = false;
                    continue;
                }
                actual.exists = true;
            }
            if actual.retiring.is_some_and(|done| done <= self.now) {
                actual.exists = false;
                actual.seen.state = InstanceState::Exited(exit(Some(0)));
                continue;
            }
            let dead = actual.dies_at.is_some_and(|dies| dies <= self.now);
            actual.seen.state = match actual {
                Actual { retiring: Some(_), .. } => InstanceState::Stopping,
                Actual { starting: Some(_), .. } => InstanceState::Starting,
                Actual { exists: false, .. } => InstanceState::Exited(exit(None)),
                _ if dead => {
                    actual.exists = false;
                    InstanceState::Exited(exit(Some(1)))
                }
                Actual { seen, .. } => match seen.state {
                    InstanceState::Running { since } => InstanceState::Running { since },
                    _ => InstanceState::Running { since: now },
                },
            };
            let well = actual.well_at.is_some_and(|at| at <= self.now)
                && actual.ill_at.is_none_or(|at| at > self.now);
            actual.seen.verdict =
                if well { Verdict::Healthy } else { Verdict::Unhealthy(ProbeFailure::Refused) };
            let running = matches!(actual.seen.state, InstanceState::Running { .. });
            actual.seen.unwell_since = (running && !well).then(|| actual.seen.unwell_since.unwrap_or(now));
        }
        let image = |planned: Option<&Planned>| match planned {
            None => ImageState::Absent,
            Some(Planned { pull: Some(_), .. }) => ImageState::Pulling,
            Some(Planned { pull_failure: Some(why), .. }) => ImageState::Failed(why.clone()),
            Some(planned) if planned.present => ImageState::Present,
            Some(_) => ImageState::Absent,
        };
        let mut instances: Vec<_> = self.instances.iter().map(|actual| actual.seen.clone()).collect();
        for instance in &mut instances {
            instance.routed = self.routed.contains(&instance.id);
        }
        Observed {
            candidate_image: image(self.moving.first()),
            active_image: image(self.active.as_ref()),
            instances,
            remains: self.instances.iter().filter(|actual| actual.is_left()).map(Actual::remains).collect(),
        }
    }

    fn clock(&self) -> Timestamp {
        at(self.now + self.offset)
    }

    /// Whether what serves is known to fail sooner or later.
    fn crashes(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.nature != Nature::Serves)
    }

    fn wanted(&self) -> Desired {
        let candidate = self.moving.first().map(|planned| {
            let doomed = match () {
                () if planned.cancelled => Some(Phase::Cancelled),
                () if planned.failed => Some(Phase::Failed),
                () => None,
            };
            Attempt { doomed, ..planned.attempt.clone() }
        });
        let active = self.active.as_ref().map(|planned| planned.attempt.clone());
        Desired { active, candidate, ..self.desired.clone() }
    }

    /// One round; says whether anything was done.
    fn round(&mut self) -> (bool, Option<Timestamp>) {
        let observed = self.observe();
        let desired = self.wanted();
        if self.forgotten {
            return (false, None);
        }
        let plan = plan(&desired, &observed, self.clock());
        for step in &plan.steps {
            self.log.push(format!("{:>7} {step}", self.now));
            self.take(step, &observed);
        }
        self.check();
        (!plan.steps.is_empty(), plan.wake_at)
    }

    fn take(&mut self, step: &Step, observed: &Observed) {
        match step {
            Step::Enter { phase, .. } if !phase.is_moving() => drop(self.moving.remove(0)),
            Step::Enter { phase, .. } => {
                assert!(self.moving[0].attempt.phase.may_become(*phase), "phases only move forward");
                self.moving[0].attempt.phase = *phase;
            }
            Step::Pull { deployment } => {
                let done = self.now + self.dice.millis(PULL);
                let hiccup = self.dice.one_in(20);
                let all = self.moving.iter_mut().chain(&mut self.active);
                for planned in all.filter(|planned| planned.attempt.deployment == *deployment) {
                    planned.pull = Some((done, planned.nature != Nature::CannotBePulled && !hiccup));
                }
            }
            Step::StopPull { deployment } => {
                let mut all = self.moving.iter_mut().take(1).chain(&mut self.active);
                let planned = all.find(|planned| planned.attempt.deployment == *deployment).unwrap();
                assert!(planned.pull.take().is_some(), "only what is being pulled is stopped");
            }
            Step::Start { deployment, ordinal, attempt } => self.start(*deployment, *ordinal, *attempt),
            Step::Route { instances } => {
                self.check_route(observed, instances);
                self.routed.clone_from(instances);
            }
            Step::Activate { deployment } => {
                let mut planned = self.moving.remove(0);
                assert_eq!(planned.attempt.deployment, *deployment);
                let good = |ordinal: u32| {
                    observed.instances.iter().any(|i| {
                        i.deployment == *deployment
                            && i.ordinal == ordinal
                            && i.verdict == Verdict::Healthy
                            && i.routed
                    })
                };
                assert!((0..self.desired.replicas).all(good), "active means running, healthy and routed");
                planned.attempt.phase = Phase::Active;
                planned.attempt.active_since = Some(self.clock());
                self.active = Some(planned);
            }
            Step::Abandon { .. } => self.moving[0].failed = true,
            Step::Retire { instance } => {
                let done = self.now + self.dice.millis(RETIRE);
                let actual = self.instances.iter_mut().find(|actual| actual.seen.id == *instance).unwrap();
                assert!(!self.routed.contains(instance), "nothing that gets requests is stopped");
                // It is gone only when its start has heard of it.
                actual.retiring = Some(actual.starting.unwrap_or(done).max(done));
                actual.seen.stopped = true;
            }
            Step::Sweep { instance } => {
                let done = self.now + self.dice.millis(RETIRE);
                let actual = self.instances.iter_mut().find(|actual| actual.seen.id == *instance).unwrap();
                assert!(actual.is_left(), "only what has ended is cleaned up");
                actual.sweeping = Some(done);
            }
            Step::Forget => {
                assert!(self.desired.removed && self.routed.is_empty());
                let mut all = self.moving.iter().chain(&self.active);
                assert!(all.all(|planned| planned.pull.is_none()), "nobody pulls for what is gone");
                (self.forgotten, self.active) = (true, None);
                self.moving.clear();
            }
        }
    }

    fn start(&mut self, deployment: DeploymentId, ordinal: u32, attempt: u32) {
        let planned = self.moving.iter().chain(&self.active).find(|p| p.attempt.deployment == deployment);
        let (nature, exclusive) = planned.map(|p| (p.nature, p.attempt.exclusive)).unwrap();
        if exclusive {
            let beside = |i: &&Actual| {
                let other = self.moving.iter().chain(&self.active);
                let mut other = other.filter(|p| p.attempt.deployment == i.seen.deployment);
                i.seen.deployment != deployment && other.all(|p| p.attempt.exclusive)
            };
            let up = |i: &&Actual| !matches!(i.seen.state, InstanceState::Exited(_));
            let beside = self.instances.iter().filter(up).find(beside);
            assert!(beside.is_none(), "two write to one volume");
        }
        let done = self.now + self.dice.millis(START);
        let soon = done + self.dice.millis(BUDGET / 2);
        let later = soon + 1 + self.dice.millis(20_000);
        let mut seen = instance(0, 0);
        let mut id = [0; 16];
        id[..4].copy_from_slice(&(self.instances.len() as u32 + 1).to_be_bytes());
        (seen.id, seen.deployment, seen.ordinal) = (InstanceId::from_random(id), deployment, ordinal);
        (seen.generation, seen.attempt, seen.created_at) = (self.desired.generation, attempt, self.clock());
        (seen.state, seen.verdict, seen.routed) = (InstanceState::Starting, Verdict::Unknown, false);
        self.instances.push(Actual {
            seen,
            starting: Some(done),
            retiring: None,
            well_at: (nature != Nature::NeverWell).then_some(soon),
            ill_at: (nature == Nature::FallsIllLater).then_some(later),
            dies_at: match nature {
                Nature::EndsAtOnce => Some(done),
                Nature::DiesLater => Some(later),
                _ => None,
            },
            exists: false,
            left: self.dice.one_in(3),
            sweeping: None,
        });
    }

    /// The next moment at which something ends, or is due.
    fn next(&self, wake: Option<Timestamp>) -> Option<i64> {
        let pulls = self.moving.iter().chain(&self.active).filter_map(|p| p.pull.map(|(done, _)| done));
        let live = self.instances.iter().filter(|a| !matches!(a.seen.state, InstanceState::Exited(_)));
        let ends = live.flat_map(|a| [a.starting, a.retiring, a.well_at, a.ill_at, a.dies_at]).flatten();
        let ends = ends.chain(self.instances.iter().filter_map(|a| a.sweeping));
        let wake = wake.map(|at| at.as_millisecond() - 1_000_000 - self.offset);
        pulls.chain(ends).chain(wake).filter(|at| *at > self.now).min()
    }

    /// Rounds until there is nothing to do now.
    fn settle(&mut self) -> Option<Timestamp> {
        for _ in 0..64 {
            let (busy, wake) = self.round();
            if !busy {
                return wake;
            }
        }
        panic!("it goes round in circles");
    }

    fn play(&mut self) {
        self.deploy();
        for _ in 0..4 + self.dice.roll(8) {
            let wake = self.settle();
            match self.next(wake) {
                Some(next) if !self.dice.one_in(3) => self.now = next,
                _ => self.now += 1 + self.dice.millis(1_500),
            }
            if self.dice.one_in(2) {
                self.happen();
            }
        }
        let limit = self.now + self.deadlines();
        loop {
            let wake = self.settle();
            match self.next(wake) {
                Some(next) if next <= limit => self.now = next,
                Some(_) if self.crashes() => return,
                Some(next) => panic!("it does not come to rest until {limit}: next {next}"),
                None => break,
            }
        }
        self.is_converged();
    }

    /// The sum of the deadlines of whatever can still be under way.
    fn deadlines(&self) -> i64 {
        let turns = i64::from(self.desired.replicas.max(1));
        let tries = 4;
        let one = PULL + turns * (tries * (START + BUDGET) + RETIRE + OVERLAP) + RETIRE;
        let crashes = self.crashes() || self.moving.iter().any(|planned| planned.nature != Nature::Serves);
        let loops = if crashes { CRASH_LOOP } else { 0 };
        one * (self.moving.len() as i64 + 2) + loops
    }
}

#[test]
fn every_history_ends_converged_within_its_deadlines() {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || (thread..HISTORIES).step_by(threads as usize).for_each(history));
        }
    });
}

fn history(seed: u64) {
    let mut world = World::new(seed);
    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.play()));
    if played.is_err() {
        panic!("history {seed}:\n{}", world.log.join("\n"));
    }
}
