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
    /// Takes one line of the runner; `true` where it is worth showing: what passing tests wrote is not.
    pub(super) fn count(&mut self, line: &str) -> bool {
        if let Some(skip) = line.strip_prefix("skipped: ") {
            self.skipped.insert(skip.to_owned());
        }
        match line {
            "successes:" => self.in_successes = true,
            "failures:" => self.in_successes = false,
            _ => {}
        }
        if let Some(result) = line.strip_prefix("test result: ") {
            self.in_successes = false;
            self.passed += number_before(result, "passed");
            self.failed += number_before(result, "failed");
            self.ignored += number_before(result, "ignored");
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

/// 12 of `ok. 12 passed; 0 failed`.
fn number_before(text: &str, word: &str) -> u64 {
    let words: Vec<&str> = text.split([' ', ';', '.']).filter(|part| !part.is_empty()).collect();
    let pair = words.windows(2).find(|pair| pair[1] == word);
    pair.and_then(|pair| pair[0].parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_up_and_skips_are_named() {
        let mut tally = Tally::default();
        let lines = "running 2 tests\ntest a ... ok\ntest b ... ok\n\nsuccesses:\n\n---- b stdout ----\n\
                     skipped: b: needs root\n\nsuccesses:\n    a\n    b\n\n\
                     test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
                     test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out";
        let shown: Vec<&str> = lines.lines().filter(|line| tally.count(line)).collect();
        assert_eq!(shown.len(), 6, "{shown:?}");
        assert_eq!(
            tally.to_string(),
            "skipped: b: needs root\n5 passed, 1 failed, 1 ignored, 1 of the passed were skipped"
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
