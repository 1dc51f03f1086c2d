//! Log lines.

use jiff::Timestamp;
use mirage_core::{LogLine, LogStream};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One line that an instance wrote. Following sends one such object a line.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogLineBody {
    /// When.
    #[schema(value_type = String)]
    pub time: Timestamp,
    /// `stdout` or `stderr`.
    #[schema(value_type = String)]
    pub stream: LogStream,
    /// The text.
    pub text: String,
    /// Who wrote it.
    pub instance: String,
    /// Its deployment.
    pub deployment: String,
}

impl From<LogLine> for LogLineBody {
    fn from(line: LogLine) -> Self {
        Self {
            time: line.time,
            stream: line.stream,
            text: line.text,
            instance: line.instance.to_string(),
            deployment: line.deployment.to_string(),
        }
    }
}
