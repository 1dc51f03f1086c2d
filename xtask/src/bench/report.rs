//! What came out, and docs/BENCHMARKS.md.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::machine;
use super::rounds::Samples;
use crate::workspace::root;

/// What one row came to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// What was measured.
    pub(super) what: String,
    /// What must be reached, in the words of the issue that asks for it.
    pub(super) must: String,
    /// What was reached, in the same words.
    pub(super) got: String,
    /// Whether that is enough.
    pub(super) reached: bool,
    /// The measured values.
    pub(super) figures: Vec<Figure>,
    /// How it was measured, and what limits a figure that was not reached.
    pub(super) note: String,
    /// Day of the measurement.
    #[serde(default)]
    pub(super) date: String,
    /// The machine of the measurement.
    #[serde(default)]
    pub(super) machine: String,
}

/// The values of one contender.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Figure {
    /// Who.
    pub(super) name: String,
    /// Median over the rounds.
    pub(super) median: f64,
    /// The smallest.
    pub(super) least: f64,
    /// The largest.
    pub(super) most: f64,
    /// `s`, `ms`, `requests/s`, `MiB`.
    pub(super) unit: String,
}

impl Figure {
    /// A figure from samples.
    pub(super) fn new(name: &str, samples: &Samples, unit: &str) -> Self {
        Self {
            name: name.to_owned(),
            median: samples.median(),
            least: samples.least(),
            most: samples.most(),
            unit: unit.to_owned(),
        }
    }

    /// A figure that was measured once.
    pub(super) fn once(name: &str, value: f64, unit: &str) -> Self {
        let mut samples = Samples::default();
        samples.push(value);
        Self::new(name, &samples, unit)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.reached { "reached" } else { "NOT REACHED" };
        writeln!(f, "{}: {} (must: {}): {verdict}", self.what, self.got, self.must)?;
        for figure in &self.figures {
            let Figure { name, median, least, most, unit } = figure;
            writeln!(f, "   {name}: {} {unit} ({} to {})", short(*median), short(*least), short(*most))?;
        }
        Ok(())
    }
}

/// Every row that was measured, kept below `target` between runs so that one row can be measured anew.
pub(super) struct Report {
    rows: BTreeMap<String, Outcome>,
}

impl Report {
    /// What earlier runs measured.
    pub(super) fn load() -> Self {
        let text = std::fs::read_to_string(kept()).unwrap_or_default();
        Self { rows: serde_json::from_str(&text).unwrap_or_default() }
    }

    /// Takes the outcome of a row, with the machine and the day.
    pub(super) fn add(&mut self, row: &str, outcome: Outcome) {
        let outcome = Outcome { date: machine::today(), machine: machine::describe(), ..outcome };
        self.rows.insert(row.to_owned(), outcome);
    }

    /// Keeps the figures, and writes docs/BENCHMARKS.md with the rows in this order.
    pub(super) fn write<'a>(&self, order: impl Iterator<Item = &'a str>) -> Result<()> {
        std::fs::write(kept(), serde_json::to_string_pretty(&self.rows)?)
            .context("the figures cannot be kept")?;
        let rows: Vec<(&str, &Outcome)> =
            order.filter_map(|name| Some((name, self.rows.get(name)?))).collect();
        let path = root().join("docs/BENCHMARKS.md");
        std::fs::write(&path, page(&rows))
            .with_context(|| format!("{} cannot be written", path.display()))?;
        eprintln!("docs/BENCHMARKS.md written");
        Ok(())
    }
}

fn kept() -> PathBuf {
    root().join("target/bench.json")
}

fn page(rows: &[(&str, &Outcome)]) -> String {
    let mut page = String::from(
        "# Benchmarks\n\nWritten by `cargo xtask bench`; `cargo xtask bench <row>` measures one row anew. Contenders take \
         turns in every round; figures are medians, with the smallest and the largest value; a ratio is the median over the ratios of \
         the rounds. Ratios carry over to \
         other machines better than times do.\n\n| row | what | must | reached | |\n|---|---|---|---|---|\n",
    );
    for (name, row) in rows {
        let verdict = if row.reached { "yes" } else { "**no**" };
        page.push_str(&format!("| `{name}` | {} | {} | {} | {verdict} |\n", row.what, row.must, row.got));
    }
    for (name, row) in rows {
        page.push_str(&format!("\n## {name}\n\n{}\n\n", row.note));
        page.push_str("| | median | smallest | largest |\n|---|---|---|---|\n");
        for Figure { name, median, least, most, unit } in &row.figures {
            page.push_str(&format!(
                "| {name} | {} {unit} | {} | {} |\n",
                short(*median),
                short(*least),
                short(*most)
            ));
        }
        page.push_str(&format!("\n{}, {}\n", row.date, row.machine));
    }
    page
}

/// Three digits that count.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
