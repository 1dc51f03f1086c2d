//! The words of `cargo xtask chaos`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;

use super::{Outcome, Tally, report, walk};
use crate::workspace::{commit, release_binary};

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
    let commit = wish.write.then(commit).transpose()?;
    let binary = wish.binary.map_or_else(release_binary, Ok)?;
    let outcome = walk(&binary, seed, Duration::from_secs(wish.minutes * 60))?;
    println!("{}", summary(seed, &outcome));
    if let Some(commit) = commit {
        report::write(seed, &commit, &outcome)?;
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
    for (kind, Tally { done, took_effect, .. }) in &outcome.actions {
        let without = match done - took_effect {
            0 => String::new(),
            without => format!(", {without} of them without effect"),
        };
        text.push_str(&format!("  {done} × {kind}{without}\n"));
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
