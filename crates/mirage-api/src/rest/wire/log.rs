//! Log lines in answers, and the place from which a reader goes on.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use mirage_core as core;
use mirage_core::{Code, Error, InstanceId, LogPosition};
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

/// How far a reader is in the log of each instance: `id:segment:offset`, joined by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogCursor(BTreeMap<InstanceId, LogPosition>);

impl LogCursor {
    /// The most instances a cursor names; one with more would be too long for a header.
    pub(crate) const MAX_INSTANCES: usize = 64;

    /// Remembers that a line was delivered.
    pub(crate) fn pass(&mut self, line: &core::LogLine) {
        self.0.insert(line.instance, line.next);
    }

    /// How many instances it names.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The places, as a log query takes them.
    pub(crate) fn places(&self) -> Vec<(InstanceId, LogPosition)> {
        self.0.iter().map(|(id, position)| (*id, *position)).collect()
    }
}

impl fmt::Display for LogCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (id, position)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{}", place(*id, *position))?;
        }
        Ok(())
    }
}

impl FromStr for LogCursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let read = |part: &str| {
            let mut parts = part.split(':');
            let id = parts.next()?.parse().ok()?;
            let segment = parts.next()?.parse().ok()?;
            let offset = parts.next()?.parse().ok()?;
            parts.next().is_none().then_some((id, LogPosition { segment, offset }))
        };
        let places: Option<BTreeMap<_, _>> =
            text.split(',').filter(|part| !part.is_empty()).map(read).take(Self::MAX_INSTANCES + 1).collect();
        match places {
            Some(places) if places.len() <= Self::MAX_INSTANCES => Ok(Self(places)),
            _ => Err(Error::new(Code::InvalidRequest, "`after` is no place in a log")
                .field("after")
                .hint("send the `next` of the last line you have, of several instances joined by commas")),
        }
    }
}

impl From<core::LogLine> for LogLine {
    fn from(line: core::LogLine) -> Self {
        Self {
            time: line.time,
            stream: match line.stream {
                core::LogStream::Stdout => LogStream::Stdout,
                core::LogStream::Stderr => LogStream::Stderr,
            },
            text: line.text,
            instance: line.instance.to_string(),
            deployment: line.deployment.to_string(),
            next: place(line.instance, line.next),
        }
    }
}

fn place(id: InstanceId, position: LogPosition) -> String {
    format!("{id}:{}:{}", position.segment, position.offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_what_it_wrote() {
        let mut cursor = LogCursor::default();
        for n in [1_u8, 2] {
            cursor.0.insert(InstanceId::from_random([n; 16]), LogPosition { segment: n.into(), offset: 7 });
        }
        assert_eq!(cursor.to_string().parse::<LogCursor>().unwrap(), cursor);
        assert_eq!("".parse::<LogCursor>().unwrap(), LogCursor::default());
        let many: Vec<String> =
            (0..65_u8).map(|n| place(InstanceId::from_random([n; 16]), LogPosition::default())).collect();
        for wrong in ["x", "0:0:0", &format!("{}:1", many[0]), &many.join(",")] {
            assert_eq!(wrong.parse::<LogCursor>().unwrap_err().at_field(), Some("after"));
        }
    }
}
