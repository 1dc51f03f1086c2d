//! Regular expressions that somebody else wrote.

use std::ops::Range;

use mirage_core::{Code, Error, Result};
use regex::{Regex, RegexBuilder};

/// The longest pattern, in bytes.
const LENGTH_MAX: usize = 1_000;

/// The most memory of a compiled pattern, and of what is made of it while it runs, in bytes.
const PROGRAM_MAX: usize = 1 << 20;
const CACHE_MAX: usize = 2 << 20;

/// How deep groups may stand in each other.
const DEPTH_MAX: u32 = 50;

/// The most places that are marked in a line.
const MARKS_MAX: usize = 100;

/// Finds in a line what somebody looks for, to show them where it is.
#[derive(Clone, Debug)]
pub struct LogMarker(Regex);

impl LogMarker {
    /// Of a text as it is, or of a regular expression.
    ///
    /// # Errors
    /// `INVALID_REQUEST` at `regex`, or at `grep` where the text is too long.
    pub fn new(wanted: &str, is_regex: bool) -> Result<Self> {
        match is_regex {
            true => compile(wanted).map(Self),
            false => {
                super::check_grep(wanted)?;
                compile_within(&regex::escape(wanted), usize::MAX).map(Self)
            }
        }
    }

    /// Where it is, in bytes, in order: the first 100 places, of which none is empty.
    pub fn find(&self, line: &str) -> Vec<Range<usize>> {
        let all = self.0.find_iter(line).map(|found| found.range());
        all.filter(|range| !range.is_empty()).take(MARKS_MAX).collect()
    }
}

/// Makes a pattern ready. Looking takes time that grows with the line alone, whatever the pattern.
///
/// # Errors
/// `INVALID_REQUEST` at `regex`.
pub(super) fn compile(pattern: &str) -> Result<Regex> {
    compile_within(pattern, LENGTH_MAX)
}

fn compile_within(pattern: &str, most: usize) -> Result<Regex> {
    let refuse = |why: String| Error::new(Code::InvalidRequest, why).field("regex");
    if pattern.len() > most {
        return Err(refuse(format!("`regex` is longer than {LENGTH_MAX} bytes")).hint("look for less"));
    }
    let compiled = RegexBuilder::new(pattern)
        .size_limit(PROGRAM_MAX)
        .dfa_size_limit(CACHE_MAX)
        .nest_limit(DEPTH_MAX)
        .build();
    compiled.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => refuse("`regex` becomes too large".into())
            .hint("repeat less often: `x{1000}` is written out a thousand times"),
        // The last line of the message says what is wrong; those before it draw where.
        error => {
            let text = error.to_string();
            let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            refuse(format!("`regex` is no regular expression: {why}"))
                .hint("a backslash before a sign takes its meaning away; `grep` looks for text as it is")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_would_grow_is_refused_before_it_does() {
        assert!(compile("err(or)?s?$").unwrap().is_match("two errors"));
        for (pattern, said) in [
            ("(", "no regular expression"),
            ("(?=x)", "no regular expression"),
            ("(((\\w{100}){100}){100})", "too large"),
            (&"(".repeat(60), "no regular expression"),
            (&"x".repeat(1_001), "longer"),
        ] {
            let error = compile(pattern).unwrap_err();
            assert_eq!(error.at_field(), Some("regex"));
            assert!(error.message().contains(said), "{}", error.message());
        }
        let started = compile("(x+x+)+y").unwrap();
        assert!(!started.is_match(&"x".repeat(100_000)), "and looking never takes long");
    }

    #[test]
    fn what_is_looked_for_is_found_where_it_is() {
        let text = LogMarker::new("a.b", false).unwrap();
        assert_eq!(text.find("a.b axb a.b"), [0..3, 8..11]);
        let regex = LogMarker::new("x*", true).unwrap();
        let found = regex.find("axxb");
        assert_eq!((found.len(), &found[0]), (1, &(1..3)), "what is empty is not marked");
        assert_eq!(regex.find(&"x ".repeat(1_000)).len(), MARKS_MAX);
        assert_eq!(LogMarker::new("(", true).unwrap_err().at_field(), Some("regex"));
        assert_eq!(LogMarker::new(&"x".repeat(1_001), false).unwrap_err().at_field(), Some("grep"));
        assert!(LogMarker::new(&"(".repeat(1_000), false).is_ok());
    }
}
