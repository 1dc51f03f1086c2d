//! The one door to the terminal: data to stdout, narration to stderr, colour by meaning and never
//! needed to understand.

use std::io::{IsTerminal, Write};
use std::time::Duration;

pub(crate) use mirage_core::Meaning;
use mirage_core::{Code, Error};

use crate::config::env;

/// Width of the verb at the start of a line of narration.
const VERB: usize = 9;

/// Writes what the user sees.
#[derive(Clone, Debug)]
pub struct Printer {
    /// Whether data goes out as JSON.
    pub(crate) json: bool,
    /// Whether something may move on the terminal.
    pub(crate) bars: bool,
    /// Whether nothing is told but data and errors.
    quiet: bool,
    colour: bool,
}

impl Printer {
    /// A printer that knows what the terminal can do.
    pub fn new(json: bool, no_progress: bool, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let colour = terminal && std::io::stdout().is_terminal() && env::read("NO_COLOR").is_none();
        Self { json, bars: terminal && !no_progress && !json && !quiet, quiet, colour }
    }

    /// A printer of lines for people, of which none moves.
    pub fn plain() -> Self {
        Self::new(false, true, false)
    }

    /// A line of data.
    pub fn data(&self, line: &str) {
        // Nobody reading any more is how `| head` says it has enough.
        if writeln!(std::io::stdout(), "{line}").is_err() {
            std::process::exit(0);
        }
    }

    /// A value as JSON.
    pub fn json(&self, value: &impl serde::Serialize) {
        let text = serde_json::to_string_pretty(value).unwrap_or_else(|error| format!("\"{error}\""));
        self.data(&text);
    }

    /// A line of narration.
    pub fn note(&self, line: &str) {
        if !self.quiet {
            self.aloud(line);
        }
    }

    fn aloud(&self, line: &str) {
        let _ = writeln!(std::io::stderr(), "{line}");
    }

    /// A finished step: what was done in the past tense, to what, and how long it took.
    pub fn step(&self, verb: &str, text: &str, took: Option<Duration>) {
        let took = took.map(|took| format!("  {}", human_duration(took))).unwrap_or_default();
        self.state(Meaning::Ok, verb, &format!("{text}{took}"));
    }

    /// A line like that of a step about something that is, and was not done now.
    pub(crate) fn told(&self, word: &str, text: &str) {
        self.note(&format!("{word:<VERB$} {text}"));
    }

    /// The same in the colour of its meaning.
    pub(crate) fn state(&self, meaning: Meaning, word: &str, text: &str) {
        let word = self.paint(meaning, &format!("{word:<VERB$}"));
        self.note(&format!("{word} {text}"));
    }

    /// An error: what, and what now.
    pub fn error(&self, error: &Error) {
        let label = self.paint(Meaning::Bad, "error:");
        let code = match error.code() {
            Code::Internal => String::new(),
            code => format!(" [{code}]"),
        };
        self.aloud(&format!("{label} {}{code}", sentence(error.message())));
        if let Some(cause) = error.cause() {
            self.aloud(&format!("  cause: {cause}"));
        }
        if let Some(hint) = error.next_step() {
            self.aloud(&format!("\nhint: {hint}"));
        }
    }

    /// Text in the colour of its meaning, where there are colours.
    pub(crate) fn paint(&self, meaning: Meaning, text: &str) -> String {
        if self.colour { format!("{}{text}\x1b[0m", escape(meaning)) } else { text.to_owned() }
    }

    /// Columns of text, aligned; the first row is the heading.
    pub(crate) fn table(&self, rows: &[Vec<String>]) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width =
            |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
        let widths: Vec<usize> = (0..columns).filter_map(width).collect();
        for row in rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            self.data(cells.collect::<Vec<_>>().join("  ").trim_end());
        }
    }
}

/// `80 ms`, `6.4 s`, `2 min 5 s`.
pub fn human_duration(took: Duration) -> String {
    match took.as_millis() {
        millis @ 0..1_000 => format!("{millis} ms"),
        millis @ 1_000..60_000 => format!("{:.1} s", millis as f64 / 1000.0),
        millis => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1000),
    }
}

/// `45 s`, `3 min`, `2 h`, `5 d`: for columns.
pub(crate) fn human_age(seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3_600 => format!("{} min", s / 60),
        s @ 3_600..172_800 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}

/// The sentence with a capital at its start, unless it starts with a name.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The colour, for a terminal.
fn escape(meaning: Meaning) -> &'static str {
    match meaning {
        Meaning::Ok => "\x1b[32m",
        Meaning::Busy => "\x1b[34m",
        Meaning::Wait => "\x1b[90m",
        Meaning::Warn => "\x1b[33m",
        Meaning::Bad => "\x1b[31m",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_ages_are_short() {
        assert_eq!(human_duration(Duration::from_millis(80)), "80 ms");
        assert_eq!(human_duration(Duration::from_millis(6_430)), "6.4 s");
        assert_eq!(human_duration(Duration::from_secs(125)), "2 min 5 s");
        assert_eq!([45, 200, 7_300, 200_000].map(human_age), ["45 s", "3 min", "2 h", "2 d"]);
    }
}
