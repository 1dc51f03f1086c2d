//! The walks in docs/RELIABILITY.md: a row each, which stays as it was written.

use anyhow::Result;

use super::{Outcome, REQUEST_LOST};
use crate::bench::machine;
use crate::reliability::Document;

const HEADING: &str = "Chaos";
const TOLD: &str = "A walk is drawn from its seed: services are deployed with good images, crashing ones, ones that answer \
500 and ones that never listen, redeployed, restarted, rolled back, cancelled, scaled, removed and made anew; control, proxy, \
shims and containers are killed with SIGKILL; the registry is gone, slow, answers 500 or 429, or sends wrong bytes; the disk is \
full; the clock of control jumps by up to a day; pushes are abandoned. After every 25 of them everything has to come right by \
itself. Then the kernel and the disk are asked: each service runs exactly as often as is wanted, of the version that was last \
deployed with success, by `/proc/<pid>/root`; and there is no process, mount, link, table, control group, folder of an instance, \
draft or upload too many. A good version that was asked for while nothing was broken, and in whose way nothing came later, has to \
be the active one; an answer `INTERNAL` is a violation unless the disk is full. A fault is counted where it took effect: \
somebody was there to be killed, somebody met what is wrong with the registry, the bad image was accepted; what users ask for, \
as a cancellation, is none. A failed request is excused where the only instance with its service's traffic, or the proxy, was \
killed, between the kill and the fifth good answer of this service in a row after that; where another instance had traffic too, \
only when it began before the killed one was gone; and a wrong answer never.\n\n\
Repeat a walk with `cargo xtask chaos --seed N --minutes M`. Every walk that was written down has a row, also one that failed.\n\n\
| seed | date | commit | minutes | faults | other actions | good answers | excused | longest absence | lost | violations | notes | machine |\n\
|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";
/// The last paragraph, where other parts say when they were done.
const CLOSING: &str = "The date, the commit and the machine of each walk stand in its row.";
/// Cells of a row.
const CELLS: usize = 13;
const ALL: &str = "| **all** |";

/// Adds a row to docs/RELIABILITY.md.
pub(super) fn write(seed: u64, commit: &str, outcome: &Outcome) -> Result<()> {
    let mut document = Document::load();
    let row = row(seed, &machine::today(), commit, outcome, &machine::describe());
    let text = with_row(document.part(HEADING).unwrap_or_default(), row);
    document.set_undated(HEADING, &text)?;
    document.write()
}

/// The part with one row more, and the sums anew.
fn with_row(part: &str, row: String) -> String {
    let rows = part.split_once("|---|\n").map_or("", |(_, rows)| rows).lines();
    // A row of another shape counted something else.
    let mut rows: Vec<&str> =
        rows.filter(|line| cells(line).len() == CELLS && !line.starts_with(ALL)).collect();
    rows.push(&row);
    let sum = |column: usize| -> f64 {
        let cells = rows.iter().filter_map(|row| cells(row).get(column).copied());
        cells.filter_map(|cell| cell.trim_matches('*').parse::<f64>().ok()).sum()
    };
    let [minutes, faults, others, good, excused, lost, violations] = [3, 4, 5, 6, 7, 9, 10].map(sum);
    format!(
        "{TOLD}{}\n{ALL} | | {minutes:.1} | **{faults}** | {others} | {good} | {excused} | | **{lost}** | **{violations}** | | |\n\n{CLOSING}",
        rows.join("\n")
    )
}

fn row(seed: u64, date: &str, commit: &str, outcome: &Outcome, machine: &str) -> String {
    let minutes = outcome.lasted.as_secs_f64() / 60.0;
    let lost = outcome.violations.iter().filter(|violation| violation.contains(REQUEST_LOST)).count();
    let notes: Vec<String> = outcome.notes.iter().map(|(note, count)| format!("{count} × {note}")).collect();
    let cells = [
        seed.to_string(),
        date.to_owned(),
        commit.to_owned(),
        format!("{minutes:.1}"),
        outcome.faults().to_string(),
        outcome.others().to_string(),
        outcome.good.to_string(),
        outcome.excused.to_string(),
        format!("{} ms", outcome.longest_window.as_millis()),
        format!("**{lost}**"),
        outcome.violations.len().to_string(),
        notes.join("; "),
        machine.to_owned(),
    ];
    format!("| {} |", cells.map(|cell| cell.replace(['|', '\n'], " ")).join(" | "))
}

fn cells(row: &str) -> Vec<&str> {
    let inner = row.trim().strip_prefix('|').and_then(|row| row.strip_suffix('|'));
    inner.map(|inner| inner.split('|').map(str::trim).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Tally;
    use super::*;

    #[test]
    fn a_walk_that_failed_keeps_its_row_when_its_seed_is_walked_again() {
        let mut outcome = Outcome { lasted: Duration::from_secs(90), good: 10, ..Outcome::default() };
        outcome.actions.insert("shim killed", Tally { done: 5, took_effect: 3, is_fault: true });
        outcome.actions.insert("restarted", Tally { done: 2, took_effect: 2, is_fault: false });
        outcome.violations = vec![format!("a: {REQUEST_LOST} 1.000 failed at 2.000: not HTTP")];
        outcome.notes.insert("a | b".into(), 2);
        let failed = row(7, "2026-11-21", "abc", &outcome, "one machine");
        assert_eq!(
            failed,
            "| 7 | 2026-11-21 | abc | 1.5 | 3 | 4 | 10 | 0 | 0 ms | **1** | 1 | 2 × a   b | one machine |"
        );
        let first = with_row("an older table\n\n| seed |\n|---|\n| 3 | 3 |\n", failed.clone());
        let part = first.rsplit_once("\n\n").unwrap().0;
        outcome.violations.clear();
        let again = with_row(part, row(7, "2026-11-22", "abd", &outcome, "another"));
        assert!(again.contains(&failed) && again.contains("| 7 | 2026-11-22 | abd |"), "{again}");
        assert!(
            again.contains("| **all** | | | 3.0 | **6** | 8 | 20 | 0 | | **1** | **1** | | |"),
            "{again}"
        );
        assert_eq!(again.matches(ALL).count(), 1);
    }
}
