//! `cargo xtask test`: everything, on a machine that has Rust and nothing else.

mod packages;
mod tally;

use std::io::{BufRead, BufReader};

use anyhow::{Context, Result};

use crate::settings;
use crate::workspace::cargo;
use tally::Tally;

/// Seconds for each fuzz target where nobody says otherwise.
const FUZZ_SECONDS: u64 = 60;

/// Seconds for the walk of chaos where nobody says otherwise.
const CHAOS_SECONDS: u64 = 180;

/// Features that nothing shipped has, and stories need.
pub(crate) const FEATURES: &str = "mirage/fail-points";

/// Runs the tests; `true` where all of them passed, and in CI none was skipped.
pub(crate) fn command(words: &[&str]) -> Result<bool> {
    let filters: Vec<&str> = words.iter().copied().filter(|word| *word != "--no-install").collect();
    if filters.len() == words.len() {
        packages::install()?;
    }
    let tally = run(&filters)?;
    println!("\n{tally}");
    Ok(tally.is_good(settings::in_ci()))
}

/// Runs `cargo test`, shows its lines as they come, and counts them.
fn run(filters: &[&str]) -> Result<Tally> {
    let seconds = settings::fuzz_seconds().unwrap_or(FUZZ_SECONDS);
    let chaos = settings::chaos_seconds().unwrap_or(CHAOS_SECONDS);
    // One pipe for both: a test program without the usual frame says on stderr that it was skipped.
    let (output, writer) = std::io::pipe()?;
    let mut child = cargo()
        .args(["test", "--workspace", "--no-fail-fast", "--features", FEATURES, "--"])
        // What a passing test wrote is where it says that it was skipped.
        .arg("--show-output")
        .args(filters)
        .env("MIRAGE_FUZZ_SECONDS", seconds.to_string())
        .env("MIRAGE_CHAOS_SECONDS", chaos.to_string())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .context("`cargo test` cannot be started")?;
    let mut tally = Tally::default();
    for line in BufReader::new(output).lines() {
        let line = line?;
        if tally.count(&line) {
            println!("{line}");
        }
    }
    tally.ended(child.wait()?.success());
    Ok(tally)
}
