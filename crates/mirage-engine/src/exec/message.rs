//! What is said between control and a runner: a line of JSON each way.

use std::path::PathBuf;

use mirage_core::ExecEnding;
use serde::{Deserialize, Serialize};

/// The largest request, in bytes. The kernel takes arguments and variables of 2 MiB.
pub(super) const MAX_REQUEST: u64 = 8 << 20;

/// What is to be run. Closing standard input after it ends the command.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Folder of the instance.
    pub folder: PathBuf,
    /// Program and arguments.
    pub arguments: Vec<String>,
    /// The environment of the container's own process, as its shim got it.
    pub variables: Vec<(String, String)>,
    /// Milliseconds that it may run.
    pub timeout_millis: u64,
    /// The last bytes that are kept of its output.
    pub output_bytes: usize,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Answer {
    /// It ran.
    Ended {
        /// How it ended.
        ending: ExecEnding,
        /// The end of what it wrote.
        output: String,
        /// Whether something of it withstands SIGKILL.
        withstands: bool,
    },
    /// It was never executed, for a reason that is the command's or the image's.
    Refused(String),
    /// The container does not run, or ended meanwhile.
    Gone(String),
    /// Mirage could not do it.
    Broken(String),
}
