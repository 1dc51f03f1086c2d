//! Counts what the test runner prints.

use std::collections::BTreeSet;
use std::fmt;

/// What has happened so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    skipped: BTreeSet<String>,
    in_successes: bool,
    broken: bool,
}

impl Tally {
    /// Takes one line of the runner, or of a test program without the usual frame; `true` where it is worth showing: what passing tests wrote is not.
    pub(super) fn count(&mut self, line: &str) -> bool {
        if let Some(skip) = line.strip_prefix("skipped: ") {
            self.skipped.insert(skip.to_owned());
        }
        match line {
            "successes:" => self.in_successes = true,
            "failures:" => self.in_successes = false,
            _ => {}
        }
        self.in_successes &= !line.starts_with("test result: ");
        let told = line.strip_prefix("test ").and_then(|test| test.rsplit_once(" ... "));
        match told {
            _ if self.in_successes => {}
            Some((_, "ok")) => self.passed += 1,
            Some((_, "FAILED")) => self.failed += 1,
            Some((_, outcome)) if outcome.starts_with("ignored") => self.ignored += 1,
            _ => {}
        }
        !self.in_successes
    }

    /// Takes how the runner ended: it fails for more reasons than tests that fail.
    pub(super) fn ended(&mut self, well: bool) {
        self.broken = !well;
    }

    /// Whether nothing failed and, where `strict`, nothing was skipped.
    pub(super) fn is_good(&self, strict: bool) -> bool {
        !self.broken && self.failed == 0 && (!strict || self.skipped.is_empty())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for skip in &self.skipped {
            writeln!(f, "skipped: {skip}")?;
        }
        if self.broken && self.failed == 0 {
            writeln!(f, "the tests could not be built, or the runner broke off")?;
        }
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.ignored > 0 {
            write!(f, ", {} ignored", self.ignored)?;
        }
        if !self.skipped.is_empty() {
            write!(f, ", {} of the passed were skipped", self.skipped.len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_up_and_skips_are_named() {
        let mut tally = Tally::default();
        let lines = "running 2 tests\ntest a ... ok\ntest b ... ok\n\nsuccesses:\n\n---- b stdout ----\n\
                     skipped: b: needs root\ntest x ... ok\n\nsuccesses:\n    a\n    b\n\n\
                     test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
                     test without a frame (runc) ... FAILED\ntest c ... ignored, too slow\n";
        let shown: Vec<&str> = lines.lines().filter(|line| tally.count(line)).collect();
        assert_eq!(shown.len(), 7, "{shown:?}");
        assert_eq!(
            tally.to_string(),
            "skipped: b: needs root\n2 passed, 1 failed, 1 ignored, 1 of the passed were skipped"
        );
        assert!(!tally.is_good(false));
    }

    #[test]
    fn a_skip_is_a_failure_only_where_nothing_may_be_missing() {
        let mut tally = Tally::default();
        tally.count("skipped: b: needs root");
        assert!(tally.is_good(false) && !tally.is_good(true));
    }
}
