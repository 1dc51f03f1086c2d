//! What came out, and docs/BENCHMARKS.md.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::machine;
use super::rounds::Samples;
use crate::workspace::root;

const HEAD: &str = "\
# Benchmarks

Written by `cargo xtask bench`; `cargo xtask bench <row>` measures one row anew. Contenders take turns in every \
round; figures are medians, with the smallest and the largest value; a ratio is the median over the ratios of the \
rounds. Ratios carry over to other machines better than times do.

| row | what | must | reached | |
|---|---|---|---|---|
";

/// What one row came to.
#[derive(Clone, Debug, Default)]
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
}

/// The values of one contender.
#[derive(Clone, Debug)]
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

/// docs/BENCHMARKS.md: every row as it was last measured. Rows that are not measured anew stay as they
/// are written there, whoever measured them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Report {
    rows: BTreeMap<String, Row>,
}

/// A row as it is written.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    /// Its line in the table.
    line: String,
    /// What stands below its heading.
    section: String,
}

impl Report {
    /// What earlier runs measured.
    pub(super) fn load() -> Self {
        Self::parse(&std::fs::read_to_string(path()).unwrap_or_default())
    }

    /// Takes the outcome of a row, measured today on this machine.
    pub(super) fn add(&mut self, name: &str, outcome: &Outcome) {
        let line = outcome.line(name);
        let section = outcome.section(&format!("{}, {}", machine::today(), machine::describe()));
        self.rows.insert(name.to_owned(), Row { line, section });
    }

    /// Writes docs/BENCHMARKS.md with the rows in this order.
    pub(super) fn write<'a>(&self, order: impl Iterator<Item = &'a str>) -> Result<()> {
        let path = path();
        std::fs::write(&path, self.page(order))
            .with_context(|| format!("{} cannot be written", path.display()))?;
        eprintln!("docs/BENCHMARKS.md written");
        Ok(())
    }

    fn parse(page: &str) -> Self {
        let mut sections = page.split("\n## ");
        let head = sections.next().unwrap_or_default();
        let rows = sections.filter_map(|section| {
            let (name, section) = section.split_once('\n')?;
            let start = format!("| `{name}` |");
            let line = head.lines().find(|line| line.starts_with(&start))?.to_owned();
            Some((name.to_owned(), Row { line, section: section.trim().to_owned() }))
        });
        Self { rows: rows.collect() }
    }

    fn page<'a>(&self, order: impl Iterator<Item = &'a str>) -> String {
        let rows: Vec<(&str, &Row)> = order.filter_map(|name| Some((name, self.rows.get(name)?))).collect();
        let mut page = HEAD.to_owned();
        rows.iter().for_each(|(_, row)| page.push_str(&format!("{}\n", row.line)));
        rows.iter().for_each(|(name, row)| page.push_str(&format!("\n## {name}\n\n{}\n", row.section)));
        page
    }
}

impl Outcome {
    fn line(&self, name: &str) -> String {
        let verdict = if self.reached { "yes" } else { "**no**" };
        format!("| `{name}` | {} | {} | {} | {verdict} |", self.what, self.must, self.got)
    }

    fn section(&self, origin: &str) -> String {
        let mut section = format!("{}\n\n| | median | smallest | largest |\n|---|---|---|---|\n", self.note);
        for Figure { name, median, least, most, unit } in &self.figures {
            let (median, least, most) = (short(*median), short(*least), short(*most));
            section.push_str(&format!("| {name} | {median} {unit} | {least} | {most} |\n"));
        }
        section + "\n" + origin
    }
}

fn path() -> PathBuf {
    root().join("docs/BENCHMARKS.md")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_not_measured_anew_stay_as_they_are_written() {
        let outcome = Outcome { what: "one thing".into(), note: "How.".into(), ..Outcome::default() };
        let mut report = Report::parse("");
        report.add("one", &outcome);
        report.add("two", &Outcome { what: "another".into(), ..outcome });
        let page = report.page(["one", "two"].into_iter());
        let read = Report::parse(&page);
        assert_eq!(read, report);
        assert_eq!(read.page(["one", "two"].into_iter()), page);
    }
}
