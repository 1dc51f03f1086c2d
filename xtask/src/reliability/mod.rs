//! `cargo xtask reliability`: what docs/RELIABILITY.md says, done anew with the real binary.
//!
//! Each part is a story that the tests tell too, shorter: `crates/mirage/tests/it/reliability.rs`.

mod held;
mod killed;
mod moved;
mod report;
mod rollouts;
mod site;
mod upgraded;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;

use crate::load::Counts;
use crate::workspace::{commit, release_binary};
pub use held::held;
pub use killed::killed_control;
pub use moved::moved_tag;
pub(crate) use report::Document;
pub use rollouts::rollouts;
pub use site::Site;
pub use upgraded::upgraded;

/// Rollouts and rollbacks of all shapes of load together.
const ROLLOUTS: usize = 200;
const ROLLBACKS: usize = 50;
/// Rollouts of a service with a volume.
const HELD: usize = 25;
/// Lives of the control process that end in the middle of a rollout.
const KILLS: usize = 25;
/// Replacements of the running binary.
const UPGRADES: usize = 10;

/// What was done to a service under load, and what became of the requests.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What was done, in half a sentence.
    pub what: String,
    /// What became of the requests.
    pub counts: Counts,
}

/// Runs the parts that are named, or all; `true` where nothing was lost.
pub(crate) fn command(words: &[&str]) -> Result<bool> {
    let wish = Wish::parse(words)?;
    if !geteuid().is_root() {
        bail!("the platform starts containers and needs root for that");
    }
    let commit = if wish.write { commit()? } else { String::new() };
    let binary = wish.binary.clone().map_or_else(release_binary, Ok)?;
    let mut document = Document::load();
    let mut good = true;
    for part in PARTS.iter().filter(|part| wish.parts.is_empty() || wish.parts.contains(&part.name)) {
        eprintln!("== {}", part.name);
        let trials = (part.run)(&binary, &wish)?;
        for trial in &trials {
            println!("{}: {}", trial.what, outcome(&trial.counts));
        }
        good &= trials.iter().all(|trial| trial.counts.failed == 0);
        document.set(part.heading, &commit, &section(part.told, &trials))?;
        if wish.write {
            document.write()?;
        }
    }
    Ok(good)
}

struct Part {
    name: &'static str,
    heading: &'static str,
    told: &'static str,
    run: fn(&std::path::Path, &Wish<'_>) -> Result<Vec<Trial>>,
}

const PARTS: &[Part] = &[
    Part {
        name: "rollouts",
        heading: "Requests lost in rollouts and rollbacks",
        told: "One service with one replica. Each rollout is of an image that was not there before and answers with a \
               version of its own; after every fourth follows a rollback to the revision before. Each is awaited until \
               it is active. `wrk` runs beside the clients of the first shape and counts for itself. A container is \
               stopped with SIGKILL: whatever it had not finished by then would be lost, and counted.",
        run: |binary, wish| rollouts(binary, wish.rollouts, wish.rollbacks),
    },
    Part {
        name: "held",
        heading: "Requests lost in rollouts of a service with a volume",
        told: "The old instance is drained and stopped before the new one starts, as both would write to the volume; requests \
               that come in between wait at the proxy. How many containers run is looked at in `/proc` all the time: never two.",
        run: |binary, _| Ok(vec![held(binary, HELD)?]),
    },
    Part {
        name: "killed",
        heading: "Requests lost when the control process is killed in the middle of a rollout",
        told: "A rollout of two replicas is begun, `mirage serve` is killed with SIGKILL after 0 to 49 ms, another one \
               is started 200 ms later, and the rollout has to become active by itself, with exactly two containers left, \
               of the new version by `/proc/<pid>/root`. The step that each rollout was \
               at is read from its record; `drain` comes after the switch, and less than half may have come that far.",
        run: |binary, wish| Ok(vec![killed_control(binary, wish.kills)?]),
    },
    Part {
        name: "upgraded",
        heading: "Requests lost when the running binary is replaced",
        told: "A changed binary takes the place of the one that runs; control is ended with SIGTERM and started again from \
               the new file; control has the proxy's place taken by a proxy of the new file, which inherits its sockets. The \
               process ids of the containers are compared before and after.",
        run: |binary, wish| Ok(vec![upgraded(binary, wish.upgrades)?]),
    },
    Part {
        name: "moved",
        heading: "Rollback when the tag has moved and the registry is gone",
        told: "Version 1 is deployed by a tag, the tag is moved to version 2 and deployed, the tag is moved to version 3, \
               the registry is ended, and the service is rolled back: version 1 runs, read in `/proc/<pid>/root`.",
        run: |binary, _| Ok(vec![moved_tag(binary)?]),
    },
];

fn outcome(counts: &Counts) -> String {
    let versions = counts.versions.len();
    let (good, failed, longest) = (counts.good, counts.failed, counts.longest.as_millis());
    let faults = if failed == 0 { String::new() } else { format!(": {}", counts.faults()) };
    format!("{good} good answers of {versions} versions, longest {longest} ms, {failed} failed{faults}")
}

fn section(told: &str, trials: &[Trial]) -> String {
    let mut section = format!(
        "{told}\n\n| what was done | good answers | versions seen | longest answer | failed |\n|---|---|---|---|---|\n"
    );
    for Trial { what, counts } in trials {
        let failed = match counts.failed {
            0 => "**0**".to_owned(),
            failed => format!("**{failed}**: {}", counts.faults()),
        };
        let (good, versions, longest) = (counts.good, counts.versions.len(), counts.longest.as_millis());
        section.push_str(&format!("| {what} | {good} | {versions} | {longest} ms | {failed} |\n"));
    }
    section
}

/// What was asked for on the command line.
struct Wish<'a> {
    parts: Vec<&'a str>,
    binary: Option<PathBuf>,
    write: bool,
    rollouts: usize,
    rollbacks: usize,
    kills: usize,
    upgrades: usize,
}

impl<'a> Wish<'a> {
    fn parse(words: &[&'a str]) -> Result<Self> {
        let mut wish = Self {
            parts: Vec::new(),
            binary: None,
            write: true,
            rollouts: ROLLOUTS,
            rollbacks: ROLLBACKS,
            kills: KILLS,
            upgrades: UPGRADES,
        };
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            let mut number = || {
                let text = words.next().with_context(|| format!("`{word}` needs a number"))?;
                text.parse().with_context(|| format!("`{text}` is no number"))
            };
            match word {
                "--no-write" => wish.write = false,
                "--rollouts" => wish.rollouts = number()?,
                "--rollbacks" => wish.rollbacks = number()?,
                "--kills" => wish.kills = number()?,
                "--upgrades" => wish.upgrades = number()?,
                "--binary" => wish.binary = Some(words.next().context("`--binary` needs a path")?.into()),
                name if PARTS.iter().any(|part| part.name == name) => wish.parts.push(name),
                other => {
                    let names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
                    bail!("`{other}` is no part; there are {}", names.join(", "))
                }
            }
        }
        Ok(wish)
    }
}
