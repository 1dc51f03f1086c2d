//! `cargo xtask chaos`: a random walk over a live platform, which its seed repeats.
//!
//! A walk has legs. In a leg one action follows the other, good ones and faults, while every service is
//! under load. At its end whatever lasts is ended, control is killed once more, and then everything has to
//! come right by itself: what must hold is asked of the kernel and the disk ([`outside`]), and the clients
//! of the load must have lost nothing outside of the moments in which nobody was there to answer
//! ([`window`]). Then a good image is deployed, which must succeed.

mod command;
mod kill;
pub mod outside;
mod registry;
mod report;
mod seed;
mod walk;
mod window;
mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::bed::eventually;
use crate::settings;
pub(crate) use command::command;
use walk::{Action, Walk};
use window::Window;
use world::World;

/// Actions of a leg.
const LEG: usize = 25;
/// How long a platform may take to come right. The longest pause before a restart is a minute.
const REST: Duration = Duration::from_secs(100);
/// How a violation begins that is a lost request.
const REQUEST_LOST: &str = "a request of";
/// An absence that is worth a line.
const NOTABLE: Duration = Duration::from_secs(1);

/// What a walk came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How long it was.
    pub lasted: Duration,
    /// Actions by their kind.
    pub actions: BTreeMap<&'static str, Tally>,
    /// Requests that were answered well.
    pub good: u64,
    /// Requests that failed while nobody was there to answer.
    pub excused: u64,
    /// The longest that nobody was there to answer for a service.
    pub longest_window: Duration,
    /// What must not be; empty where the walk passed.
    pub violations: Vec<String>,
    /// What a reader may want to know, and how often it was so.
    pub notes: BTreeMap<String, u64>,
}

/// How often an action was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How often it was its turn.
    pub done: u64,
    /// How often anything came of it: somebody was there to be killed, somebody met the fault of the registry, the
    /// platform accepted what was asked.
    pub took_effect: u64,
    /// Whether something breaks by it.
    pub is_fault: bool,
}

impl Outcome {
    /// How many faults took effect.
    pub fn faults(&self) -> u64 {
        self.actions.values().filter(|tally| tally.is_fault).map(|tally| tally.took_effect).sum()
    }

    /// How many actions there were that are no such fault.
    pub fn others(&self) -> u64 {
        self.actions.values().map(|tally| tally.done).sum::<u64>() - self.faults()
    }

    fn add(&mut self, done: &[(Action, Arc<AtomicBool>)]) {
        for (action, took_effect) in done {
            let tally = self.actions.entry(action.kind()).or_default();
            tally.is_fault = action.is_fault();
            tally.done += 1;
            tally.took_effect += u64::from(took_effect.load(Ordering::Relaxed));
        }
    }
}

/// The seed and the time of the walk in a test: `MIRAGE_CHAOS_SEED` and `MIRAGE_CHAOS_SECONDS`, else 1 and 20
/// seconds.
pub fn asked_for() -> (u64, Duration) {
    let seconds = settings::chaos_seconds().unwrap_or(20);
    (settings::chaos_seed().unwrap_or(1), Duration::from_secs(seconds))
}

/// Walks until so much time is over, and to the end of the leg; what happens is told line by line. It
/// stops at the first leg after which something is not as it must be.
///
/// # Errors
/// Where the bed itself does not work.
pub fn walk(binary: &Path, seed: u64, time: Duration) -> Result<Outcome> {
    let began = Instant::now();
    let tell = |text: &str| eprintln!("{:8.3} {text}", began.elapsed().as_secs_f64());
    tell(&format!("seed {seed}"));
    let mut world = World::start(binary)?;
    let (mut outcome, mut walk) = (Outcome::default(), Walk::new(seed));
    for leg in 0.. {
        let mut done = Vec::with_capacity(LEG);
        let ended = stroll(&mut world, walk.by_ref().take(LEG), &mut done, &tell)
            .and_then(|()| rest(&mut world, leg, &mut outcome, began, &tell));
        outcome.add(&done);
        outcome.violations = ended.unwrap_or_else(|error| vec![format!("the walk broke off: {error:#}")]);
        outcome.violations.append(&mut world.violations);
        outcome.violations.iter().for_each(|violation| tell(&format!("VIOLATION {violation}")));
        if !outcome.violations.is_empty() || began.elapsed() >= time {
            break;
        }
    }
    if !outcome.violations.is_empty() {
        keep_narration(&world, seed);
    }
    outcome.notes = std::mem::take(&mut world.notes);
    outcome.lasted = began.elapsed();
    Ok(outcome)
}

/// Does these one after the other, and notes them with what says whether they took effect.
fn stroll(
    world: &mut World,
    actions: impl Iterator<Item = Action>,
    done: &mut Vec<(Action, Arc<AtomicBool>)>,
    tell: &dyn Fn(&str),
) -> Result<()> {
    for action in actions {
        let came_of_it = world.act(&action)?;
        tell(&format!("{action}: {}", came_of_it.said));
        done.push((action, came_of_it.took_effect));
    }
    Ok(())
}

/// The end of a leg: everything comes right, and is looked at from outside.
fn rest(
    world: &mut World,
    leg: usize,
    outcome: &mut Outcome,
    began: Instant,
    tell: &dyn Fn(&str),
) -> Result<Vec<String>> {
    world.heal()?;
    let mut found = Vec::new();
    for window in &mut world.windows {
        match window.length() {
            Some(length) if window.is_absence => {
                if length > NOTABLE {
                    let since = (window.from - began).as_secs_f64();
                    tell(&format!(
                        "{} was killed at {since:.3}, and not replaced for {length:?}",
                        window.what
                    ));
                }
                outcome.longest_window = outcome.longest_window.max(length);
            }
            Some(_) => {}
            None => found.push(format!("{} was killed, and nobody was there in time", window.what)),
        }
    }
    found.extend(settled(world));
    let windows = std::mem::take(&mut world.windows);
    found.extend(lost(world, &windows, outcome, began));
    if found.is_empty() {
        let number = leg % world.services.len();
        if let Err(error) = world.deploy_in_peace(number) {
            found.push(format!("{}: a good image in peace: {error:#}", world.services[number].name));
        }
        found.extend(settled(world));
        // Nothing was in anybody's way since.
        found.extend(lost(world, &[], outcome, began));
    }
    tell(&format!("leg {leg} is over: {} good answers until now, {} excused", outcome.good, outcome.excused));
    Ok(found)
}

/// Counts what the load has come to, and answers with the requests that none of these windows excuses.
fn lost(world: &mut World, windows: &[Window], outcome: &mut Outcome, began: Instant) -> Vec<String> {
    world.count();
    let mut found = Vec::new();
    for (number, service) in world.services.iter_mut().enumerate() {
        let counts = std::mem::take(&mut service.counts);
        outcome.good += counts.good;
        for failure in &counts.failures {
            if windows.iter().any(|window| window.excuses(number, failure)) {
                outcome.excused += 1;
                continue;
            }
            let [from, until] = [failure.from, failure.until].map(|at| (at - began).as_secs_f64());
            found.push(format!(
                "{}: {REQUEST_LOST} {from:.3} failed at {until:.3}: {}",
                service.name, failure.fault
            ));
        }
        let untold = counts.failed - counts.failures.len() as u64;
        if untold > 0 {
            found.push(format!("{}: {untold} more requests failed, too many to be told apart", service.name));
        }
    }
    found
}

/// Waits until all is well; answers with what is not.
fn settled(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    let well = eventually("rest", REST, || {
        found = match world.wanted() {
            Ok(wanted) => outside::violations(&world.platform, &wanted),
            Err(error) => vec![format!("{error:#}")],
        };
        found.is_empty().then_some(())
    });
    match well {
        Ok(()) => Vec::new(),
        Err(_) => found,
    }
}

/// What control and proxy said, beside the folder of the platform, which is about to go.
fn keep_narration(world: &World, seed: u64) {
    let folder = std::env::temp_dir();
    let proxy = std::fs::read_to_string(world.platform.data().join("run/proxy.log")).unwrap_or_default();
    for (name, text) in [("control", world.platform.narration()), ("proxy", proxy)] {
        let path = folder.join(format!("mirage-chaos-{seed}-{name}.log"));
        if std::fs::write(&path, text).is_ok() {
            eprintln!("what {name} said is in {}", path.display());
        }
    }
}
