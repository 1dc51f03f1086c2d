//! A command that is run in an instance beside its own process.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::variable::VariableText;

/// What is run in an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecCommand {
    /// Program and arguments; the program is looked up in the `PATH` below. No shell reads them.
    pub arguments: Vec<String>,
    /// The whole environment, as the instance's own process got it.
    pub variables: Vec<(String, VariableText)>,
    /// How long it may run; then it is killed with everything it started.
    pub timeout: Duration,
}

impl ExecCommand {
    /// The last bytes that are kept of what a command writes, on both streams together.
    pub const OUTPUT_BYTES: usize = 4096;
    /// The longest that a command may run, whatever was asked for.
    pub const LONGEST: Duration = Duration::from_secs(600);
}

/// How a command went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecOutcome {
    /// How it ended.
    pub ending: ExecEnding,
    /// The end of what it wrote, at most [`ExecCommand::OUTPUT_BYTES`]; what is no UTF-8 is replaced.
    pub output: String,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExecEnding {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It took longer than it may, and was killed.
    TimedOut,
}

impl ExecEnding {
    /// Whether the command says that all is well.
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for ExecEnding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "killed by signal {signal}"),
            Self::TimedOut => f.write_str("no end in time"),
        }
    }
}
