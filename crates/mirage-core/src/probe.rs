//! How the health of an instance is judged.

use serde::{Deserialize, Serialize};

use crate::error::one_line;
use crate::exec::ExecEnding;
use crate::statuses::Statuses;

/// The longest last line of a command that is quoted, in characters.
const MAX_QUOTED: usize = 200;

/// What a user asked for. What is absent is taken from the image, or has its default: see
/// [`crate::Revision::check`] and [`crate::Revision::timing`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Probe {
    /// Path of an HTTP GET.
    pub path: Option<String>,
    /// Port to ask; without one, the service's first port.
    pub port: Option<u16>,
    /// The `Host` of the request; without one, `localhost`.
    pub host: Option<String>,
    /// The statuses that are good.
    pub expected: Option<Statuses>,
    /// Milliseconds between two questions to a healthy instance, and the longest pause while starting.
    pub interval_millis: Option<u64>,
    /// Milliseconds that one answer may take.
    pub timeout_millis: Option<u64>,
    /// Milliseconds that a new instance has until its first good answer.
    pub budget_millis: Option<u64>,
    /// Bad answers in a row that make a healthy instance unhealthy.
    pub threshold: Option<u32>,
}

/// What probing has found out about an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet.
    #[default]
    Unknown,
    /// The last answer was good.
    Healthy,
    /// The last answers were bad.
    Unhealthy(ProbeFailure),
}

/// The last bad answer to a probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProbeFailure {
    /// Nothing listens on the port.
    Refused,
    /// No answer in time.
    TimedOut,
    /// An HTTP status that is not expected.
    Status(u16),
    /// An answer that is not HTTP, a connection that broke off, a command that cannot be started.
    Broken(String),
    /// The image's command did not end well.
    Command {
        /// How it ended.
        ending: ExecEnding,
        /// The end of what it wrote.
        output: String,
    },
}

impl ProbeFailure {
    /// The last lines that a command wrote, at most so many; empty where no command was asked.
    pub fn last_lines(&self, most: usize) -> Vec<String> {
        let Self::Command { output, .. } = self else { return Vec::new() };
        let lines: Vec<&str> = output.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(most)..].iter().map(|line| (*line).to_owned()).collect()
    }
}

impl std::fmt::Display for ProbeFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Broken(why) => f.write_str(why),
            Self::Command { ending, .. } => {
                write!(f, "{ending}")?;
                match self.last_lines(1).pop() {
                    Some(line) => {
                        let shown: String = line.trim().chars().take(MAX_QUOTED).collect();
                        write!(f, ": {}", one_line(shown))
                    }
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_that_was_stored_before_is_read() {
        let stored = r#"{"path":"/up","port":null,"interval_millis":5000,"timeout_millis":2000,"budget_millis":60000,"threshold":3}"#;
        let probe: Probe = serde_json::from_str(stored).unwrap();
        assert_eq!((probe.path.as_deref(), probe.threshold, probe.expected), (Some("/up"), Some(3), None));
        assert_eq!(serde_json::from_str::<Probe>("{}").unwrap(), Probe::default());
    }

    #[test]
    fn a_failure_of_a_command_quotes_its_last_line() {
        let failed = |output: &str| {
            let output = output.to_owned();
            ProbeFailure::Command { ending: ExecEnding::Code(7), output }
        };
        assert_eq!(failed("").to_string(), "exit code 7");
        assert_eq!(failed("one\n two\u{1b}[31m \n\n").to_string(), "exit code 7: two\\u{1b}[31m");
        assert_eq!(failed(&"x".repeat(1000)).to_string().len(), 213);
        assert_eq!(failed("a\nb\nc\n").last_lines(2), ["b", "c"]);
        let late = ProbeFailure::Command { ending: ExecEnding::TimedOut, output: String::new() };
        assert_eq!(late.to_string(), "no end in time");
    }
}
