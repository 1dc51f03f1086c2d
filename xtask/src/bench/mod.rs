//! `cargo xtask bench`: the figures of docs/BENCHMARKS.md, measured as ratios in one interleaved run.
//!
//! Every row drives `target/release/mirage` as a user does, through its command line and its REST
//! face; the others are driven the same way. A row is one file below [`row`] and one line in [`ROWS`].

mod contender;
mod image;
mod machine;
mod report;
mod rounds;
mod row;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;

use crate::workspace::{cargo, root};
use report::{Outcome, Report};

/// A row of the table: its name on the command line, and how it is measured.
type Row = (&'static str, fn(&Setting) -> Result<Outcome>);

const ROWS: &[Row] = &[
    ("pull-gzip", row::pull::gzip),
    ("pull-zstd", row::pull::zstd),
    ("present", row::first_answer::present),
    ("with-pull", row::first_answer::with_pull),
    ("second-deploy", row::second_deploy::measure),
    ("hundred", row::hundred::measure),
    ("idle", row::idle::measure),
    ("proxy", row::proxy::measure),
    ("rebuild", row::build::rebuild),
    ("first-build", row::build::first),
];

/// What every row is told.
struct Setting {
    /// The release binary.
    binary: PathBuf,
    /// Rounds somebody asked for.
    rounds: Option<usize>,
}

impl Setting {
    /// The rounds asked for, else the row's own number.
    fn rounds_or(&self, default: usize) -> usize {
        self.rounds.unwrap_or(default)
    }
}

/// Measures the rows named, or all of them; `true` where every figure was reached.
pub(crate) fn command(words: &[&str]) -> Result<bool> {
    if words == ["--list"] {
        ROWS.iter().for_each(|(name, _)| println!("{name}"));
        return Ok(true);
    }
    let (names, rounds, write) = parse(words)?;
    if !geteuid().is_root() {
        bail!("the bench starts containers, Docker and Podman, and needs root for that");
    }
    let setting = Setting { binary: build()?, rounds };
    let mut report = Report::load();
    let mut reached = true;
    for (name, measure) in ROWS.iter().filter(|(name, _)| names.is_empty() || names.contains(name)) {
        eprintln!("== {name}");
        match measure(&setting) {
            Ok(outcome) => {
                println!("{outcome}");
                reached &= outcome.reached;
                report.add(name, outcome)?;
            }
            Err(error) => {
                reached = false;
                eprintln!("{name}: not measured: {error:#}");
            }
        }
    }
    if write {
        report.write(ROWS.iter().map(|(name, _)| *name))?;
    }
    Ok(reached)
}

fn parse<'a>(words: &[&'a str]) -> Result<(Vec<&'a str>, Option<usize>, bool)> {
    let (mut names, mut rounds, mut write) = (Vec::new(), None, true);
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        match word {
            "--no-write" => write = false,
            "--rounds" => {
                let number = words.next().context("`--rounds` needs a number")?;
                rounds = Some(number.parse().with_context(|| format!("`{number}` is no number of rounds"))?);
            }
            name if ROWS.iter().any(|(known, _)| *known == name) => names.push(name),
            other => bail!("`{other}` is no row; `cargo xtask bench --list` names them"),
        }
    }
    Ok((names, rounds, write))
}

fn build() -> Result<PathBuf> {
    let status = cargo().args(["build", "--release", "--package", "mirage"]).status()?;
    if !status.success() {
        bail!("the release binary does not build");
    }
    Ok(root().join("target/release/mirage"))
}
