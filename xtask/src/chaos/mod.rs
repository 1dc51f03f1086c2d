//! `cargo xtask chaos`: a random walk over a live platform, which its seed repeats.
//!
//! A walk has legs. In a leg one action follows the other, good ones and faults, while every service is
//! under load. At its end whatever lasts is ended, control is killed once more, and then everything has to
//! come right by itself: what must hold is asked of the kernel and the disk ([`outside`]), and the clients
//! of the load must have lost nothing outside of the moments in which nobody was there to answer
//! ([`window`]). Then a good image is deployed, which must succeed.

pub mod outside;
mod registry;
mod seed;
mod walk;
mod window;
mod world;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;

use crate::bed::eventually;
use crate::reliability::Document;
use crate::settings;
use crate::workspace::release_binary;
use walk::Walk;
use world::World;

/// Actions of a leg.
const LEG: usize = 25;
/// How long a platform may take to come right. The longest pause before a restart is a minute.
const REST: Duration = Duration::from_secs(100);
/// An absence that is worth a line.
const NOTABLE: Duration = Duration::from_secs(1);

/// What a walk came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Actions by their kind, and whether they are faults.
    pub actions: BTreeMap<&'static str, (u64, bool)>,
    /// Requests that were answered well.
    pub good: u64,
    /// Requests that failed while nobody was there to answer.
    pub excused: u64,
    /// The longest that nobody was there.
    pub longest_window: Duration,
    /// What must not be; empty where the walk passed.
    pub violations: Vec<String>,
    /// What a reader may want to know, and how often it was so.
    pub notes: BTreeMap<String, u64>,
}

impl Outcome {
    /// How many faults there were.
    pub fn faults(&self) -> u64 {
        self.actions.values().filter(|(_, fault)| *fault).map(|(count, _)| count).sum()
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
/// Where the bed itself does not work, or control does not come up.
pub fn walk(binary: &Path, seed: u64, time: Duration) -> Result<Outcome> {
    let began = Instant::now();
    let tell = |text: &str| eprintln!("{:8.3} {text}", began.elapsed().as_secs_f64());
    tell(&format!("seed {seed}"));
    let mut world = World::start(binary)?;
    let (mut outcome, mut walk) = (Outcome::default(), Walk::new(seed));
    for leg in 0.. {
        for action in walk.by_ref().take(LEG) {
            let done = world.act(&action)?;
            tell(&format!("{action}: {done}"));
            let (count, _) = outcome.actions.entry(action.kind()).or_insert((0, action.is_fault()));
            *count += 1;
        }
        let violations = rest(&mut world, leg, &mut outcome, began, &tell)?;
        if !violations.is_empty() {
            violations.iter().for_each(|violation| tell(&format!("VIOLATION {violation}")));
            outcome.violations = violations;
        }
        if !outcome.violations.is_empty() || began.elapsed() >= time {
            break;
        }
    }
    if !outcome.violations.is_empty() {
        keep_narration(&world, seed);
    }
    outcome.notes = std::mem::take(&mut world.notes);
    Ok(outcome)
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
            Some(length) => {
                if length > NOTABLE {
                    let since = (window.from - began).as_secs_f64();
                    tell(&format!(
                        "{} was killed at {since:.3}, and not replaced for {length:?}",
                        window.what
                    ));
                }
                outcome.longest_window = outcome.longest_window.max(length);
            }
            None => found.push("what was killed did not come back in time".to_owned()),
        }
    }
    found.extend(settled(world));
    world.count();
    let windows = std::mem::take(&mut world.windows);
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
                "{}: a request of {from:.3} failed at {until:.3}: {}",
                service.name, failure.fault
            ));
        }
    }
    if found.is_empty() {
        let number = leg % world.services.len();
        if let Err(error) = world.deploy_in_peace(number) {
            found.push(format!("{}: a good image in peace: {error:#}", world.services[number].name));
        }
        found.extend(settled(world));
    }
    tell(&format!("leg {leg} is over: {} good answers until now, {} excused", outcome.good, outcome.excused));
    Ok(found)
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

/// Walks by the words of the command line; `true` where nothing was violated.
pub(crate) fn command(words: &[&str]) -> Result<bool> {
    let mut wish = Wish { seed: None, minutes: 3, binary: None, write: false };
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        let mut next = || words.next().with_context(|| format!("`{word}` needs a value"));
        match word {
            "--seed" => wish.seed = Some(next()?.parse().context("a seed is a number")?),
            "--minutes" => wish.minutes = next()?.parse().context("minutes are a number")?,
            "--binary" => wish.binary = Some(next()?.into()),
            "--write" => wish.write = true,
            other => bail!("`{other}` is no option of chaos"),
        }
    }
    if !geteuid().is_root() {
        bail!("the platform starts containers and needs root for that");
    }
    let seed = wish.seed.map_or_else(draw_seed, Ok)?;
    let binary = wish.binary.map_or_else(release_binary, Ok)?;
    let outcome = walk(&binary, seed, Duration::from_secs(wish.minutes * 60))?;
    println!("{}", summary(seed, &outcome));
    if wish.write {
        write(seed, wish.minutes, &outcome)?;
    }
    Ok(outcome.violations.is_empty())
}

struct Wish {
    seed: Option<u64>,
    minutes: u64,
    binary: Option<PathBuf>,
    write: bool,
}

/// A seed that nobody chose.
fn draw_seed() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    Ok(u64::from_str_radix(text.get(..8).context("no randomness")?, 16)?)
}

fn summary(seed: u64, outcome: &Outcome) -> String {
    let mut text = format!("seed {seed}: {} faults\n", outcome.faults());
    for (kind, (count, _)) in &outcome.actions {
        text.push_str(&format!("  {count} × {kind}\n"));
    }
    for (note, count) in &outcome.notes {
        text.push_str(&format!("  note, {count} times: {note}\n"));
    }
    let Outcome { good, excused, longest_window, violations, .. } = outcome;
    text.push_str(&format!(
        "  {good} good answers, {excused} failed while nobody was there to answer (at most {} ms)\n",
        longest_window.as_millis()
    ));
    match violations.as_slice() {
        [] => text.push_str("  nothing was violated\n"),
        some => text.push_str(&format!(
            "  {} violations; `cargo xtask chaos --seed {seed}` repeats the walk\n",
            some.len()
        )),
    }
    text
}

const HEADING: &str = "Chaos";
const TOLD: &str = "A walk is drawn from its seed: services are deployed with good images, crashing ones, ones that answer \
500 and ones that never listen, redeployed, restarted, rolled back, cancelled, scaled, removed and made anew; control, proxy, \
shims and containers are killed with SIGKILL; the registry is gone, slow, answers 500 or 429, or sends wrong bytes; the disk is \
full; the clock of control jumps by up to a day; pushes are abandoned. After every 25 of them everything has to come right by \
itself. Then the kernel and the disk are asked: each service runs exactly as often as is wanted, of the version that was last \
deployed with success, by `/proc/<pid>/root`; and there is no process, mount, link, table, control group, folder of an instance, \
draft or upload too many. A failed request is excused only between the kill of the instance or proxy that served it and the \
fifth good answer in a row after that, and a wrong answer never.\n\n\
Repeat a walk with `cargo xtask chaos --seed N --minutes M`.\n\n\
| seed | minutes | faults | other actions | good answers | failed while nobody was there | longest absence | lost | violations |\n\
|---|---|---|---|---|---|---|---|---|\n";

/// Adds a line to docs/RELIABILITY.md.
fn write(seed: u64, minutes: u64, outcome: &Outcome) -> Result<()> {
    let mut document = Document::load();
    let lines = document.part(HEADING).and_then(|part| part.split_once("|---|\n")).map(|(_, lines)| lines);
    let mut lines: Vec<String> = lines.unwrap_or_default().lines().map(str::to_owned).collect();
    lines.retain(|line| !line.starts_with("| **all** |") && !line.starts_with(&format!("| {seed} |")));
    let all: u64 = outcome.actions.values().map(|(count, _)| count).sum();
    let lost = outcome.violations.iter().filter(|violation| violation.contains("a request of")).count();
    lines.push(format!(
        "| {seed} | {minutes} | {} | {} | {} | {} | {} ms | **{lost}** | {} |",
        outcome.faults(),
        all - outcome.faults(),
        outcome.good,
        outcome.excused,
        outcome.longest_window.as_millis(),
        outcome.violations.len()
    ));
    let sum = |column: usize| -> u64 {
        let cells = lines.iter().filter_map(|line| line.split('|').nth(column));
        cells.filter_map(|cell| cell.trim().trim_matches('*').parse::<u64>().ok()).sum()
    };
    let [minutes, faults, other, good, excused, lost, violations] = [2, 3, 4, 5, 6, 8, 9].map(sum);
    lines.push(format!("| **all** | {minutes} | **{faults}** | {other} | {good} | {excused} | | **{lost}** | **{violations}** |"));
    document.set(HEADING, &format!("{TOLD}{}\n", lines.join("\n")));
    document.write()
}
