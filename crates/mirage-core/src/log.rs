//! Log lines of instances.

mod cursor;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{DeploymentId, InstanceId};

pub use cursor::{LogCursor, LogPlace};

/// Where a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line that an instance wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When Mirage read it.
    pub time: Timestamp,
    /// Where it was written.
    pub stream: LogStream,
    /// The text without its line break; bytes that are no UTF-8 are replaced.
    pub text: String,
    /// Who wrote it.
    pub instance: InstanceId,
    /// The deployment that the instance belongs to.
    pub deployment: DeploymentId,
    /// Where the next line of this instance starts.
    pub next: LogPosition,
    /// Lines may be missing before this one: from the place at which the reader went on, the log's size
    /// limit had taken some away.
    pub lost_before: bool,
}

impl LogLine {
    /// Where the next line of its instance starts.
    pub fn place(&self) -> LogPlace {
        LogPlace { instance: self.instance, next: self.next }
    }
}

/// A place in the log of one instance, which stays valid while the log grows and rotates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogPosition {
    /// Number of the file, counted from 0 since the instance started.
    pub segment: u64,
    /// Bytes from the start of that file.
    pub offset: u64,
}

/// Which lines are wanted.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    /// Only instances of this deployment.
    pub deployment: Option<DeploymentId>,
    /// Only this instance.
    pub instance: Option<InstanceId>,
    /// Only lines read at or after this time.
    pub since: Option<Timestamp>,
    /// Only lines read before this time.
    pub until: Option<Timestamp>,
    /// Only lines that contain this text.
    pub grep: Option<String>,
    /// Only lines whose text passes.
    pub test: Option<LineTest>,
    /// Only the last so many of the lines that match.
    pub limit: Option<usize>,
    /// Continue after these places.
    pub after: Vec<(InstanceId, LogPosition)>,
    /// Of instances that `after` does not name, only lines read after this time.
    pub others_after: Option<Timestamp>,
    /// `after` may name instances of other services, of which this one knows nothing.
    pub after_is_shared: bool,
}

/// A question to the text of a line.
#[derive(Clone)]
pub struct LineTest(Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl LineTest {
    /// The question as a function; asked of every line that is read, so it must be quick.
    pub fn new(test: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(test))
    }

    /// The answer.
    pub fn passes(&self, text: &str) -> bool {
        self.0(text)
    }
}

impl fmt::Debug for LineTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LineTest")
    }
}
