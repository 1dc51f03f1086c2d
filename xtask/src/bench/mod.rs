//! `cargo xtask bench`: the figures of docs/BENCHMARKS.md, measured as ratios in one interleaved run.
//!
//! Every row drives the release binary as a user does, through its command line and its REST
//! face; the others are driven the same way. A row is one file below [`row`] and one line in [`ROWS`].

mod contender;
mod image;
pub(crate) mod machine;
mod report;
mod rounds;
mod row;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;

pub(crate) use contender::wrk;

use crate::workspace::release_binary;
use report::{Outcome, Report};

/// A row of the table: its name on the command line, and how it is measured.
type Row = (&'static str, fn(&Setting) -> Result<Outcome>);

const ROWS: &[Row] = &[
    ("pull-gzip", row::pull::gzip),
    ("pull-zstd", row::pull::zstd),
    ("push", row::push::measure),
    ("present", row::first_answer::present),
    ("with-pull", row::first_answer::with_pull),
    ("second-deploy", row::second_deploy::measure),
    ("preflight", row::preflight::measure),
    ("hundred", row::hundred::measure),
    ("idle", row::idle::measure),
    ("proxy", row::proxy::alone),
    ("proxy-bridged", row::proxy::bridged),
    ("rollout", row::rollout::measure),
    ("restart-500", row::many::restart),
    ("idle-1000", row::many::idle),
    ("lists", row::many::lists),
    ("pages", row::pages::measure),
    ("page-live", row::pages::live),
    ("verdict", row::typing::verdict),
    ("log-page", row::log_page::measure),
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
    let wish = Wish::parse(words)?;
    if !geteuid().is_root() {
        bail!("the bench starts containers, Docker and Podman, and needs root for that");
    }
    let binary = wish.binary.map_or_else(release_binary, Ok)?;
    let setting = Setting { binary, rounds: wish.rounds };
    let mut report = Report::load();
    let mut reached = true;
    for (name, measure) in ROWS.iter().filter(|(name, _)| wish.rows.is_empty() || wish.rows.contains(name)) {
        eprintln!("== {name}");
        match measure(&setting) {
            Ok(outcome) => {
                println!("{outcome}");
                reached &= outcome.reached;
                report.add(name, &outcome);
            }
            Err(error) => {
                reached = false;
                eprintln!("{name}: not measured: {error:#}");
            }
        }
        // After every row: a long run that is broken off keeps what it has measured.
        if wish.write {
            report.write(ROWS.iter().map(|(name, _)| *name))?;
        }
    }
    Ok(reached)
}

/// What was asked for on the command line.
struct Wish<'a> {
    rows: Vec<&'a str>,
    rounds: Option<usize>,
    binary: Option<PathBuf>,
    write: bool,
}

impl<'a> Wish<'a> {
    fn parse(words: &[&'a str]) -> Result<Self> {
        let mut wish = Self { rows: Vec::new(), rounds: None, binary: None, write: true };
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            match word {
                "--no-write" => wish.write = false,
                "--binary" => wish.binary = Some(words.next().context("`--binary` needs a path")?.into()),
                "--rounds" => {
                    let number = words.next().context("`--rounds` needs a number")?;
                    let rounds =
                        number.parse().with_context(|| format!("`{number}` is no number of rounds"))?;
                    wish.rounds = Some(rounds);
                }
                name if ROWS.iter().any(|(known, _)| *known == name) => wish.rows.push(name),
                other => bail!("`{other}` is no row; `cargo xtask bench --list` names them"),
            }
        }
        Ok(wish)
    }
}
