//! Log lines in answers.

use jiff::Timestamp;
use mirage_control::{LogLevel, ServiceLine};
use mirage_core as core;
use serde::Serialize;
use utoipa::ToSchema;

/// One line that an instance wrote.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogLine {
    /// When Mirage read it.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// Where it was written.
    stream: LogStream,
    /// The text without its line break.
    text: String,
    /// Who wrote it.
    instance: String,
    /// The deployment that the instance belongs to.
    deployment: String,
    /// Where the next line of this instance starts: `after` of the next request.
    next: String,
    /// The name of the service.
    service: String,
    /// How grave it says it is, where it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<&'static str>,
    /// Lines are missing before this one: the log's size limit took them away before they were read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    lost_before: bool,
}

/// Where a line was written.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl From<ServiceLine> for LogLine {
    fn from(ServiceLine { service, line }: ServiceLine) -> Self {
        let next = line.place().to_string();
        Self {
            service: service.to_string(),
            level: LogLevel::of(&line.text).map(LogLevel::as_str),
            lost_before: line.lost_before,
            time: line.time,
            stream: match line.stream {
                core::LogStream::Stdout => LogStream::Stdout,
                core::LogStream::Stderr => LogStream::Stderr,
            },
            text: line.text,
            instance: line.instance.to_string(),
            deployment: line.deployment.to_string(),
            next,
        }
    }
}
