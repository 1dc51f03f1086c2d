//! Lines out of a piece of a segment.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use jiff::Timestamp;
use mirage_core::{InstanceId, LineTest, LogLine, LogPosition, LogQuery};

use super::record::{Taken, take_line};
use super::tree::LoggedInstance;

/// The lines that are whole in `bytes`, which begin at `at`, and how many bytes they and what is no
/// record between them take.
pub(crate) fn lines(who: &LoggedInstance, at: LogPosition, bytes: &[u8]) -> (Vec<LogLine>, usize) {
    let (mut lines, mut used) = (Vec::new(), 0);
    loop {
        match take_line(&bytes[used..]) {
            Taken::Incomplete => return (lines, used),
            Taken::Junk(length) => used += length,
            Taken::Line(line, length) => {
                used += length;
                lines.push(LogLine {
                    time: line.time,
                    stream: line.stream,
                    text: String::from_utf8(line.text)
                        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
                    instance: who.instance,
                    deployment: who.deployment,
                    next: LogPosition { segment: at.segment, offset: at.offset + used as u64 },
                    lost_before: false,
                });
            }
        }
    }
}

/// Reads at most `length` bytes from `offset` on; fewer only at the end of the file.
pub(crate) fn read(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match file.read_at(&mut bytes[filled..], offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// The part of a query that is asked of each line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    instance: Option<InstanceId>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    grep: Option<String>,
    test: Option<LineTest>,
    /// Lines of other instances than these are wanted only after this time.
    others_after: Option<Timestamp>,
    named: HashSet<InstanceId>,
}

impl Filter {
    pub(crate) fn new(query: &LogQuery) -> Self {
        Self {
            instance: query.instance,
            since: query.since,
            until: query.until,
            grep: query.grep.clone(),
            test: query.test.clone(),
            others_after: query.others_after,
            named: query.after.iter().map(|(instance, _)| *instance).collect(),
        }
    }

    pub(crate) fn wants(&self, line: &LogLine) -> bool {
        self.instance.is_none_or(|only| line.instance == only)
            && self.since.is_none_or(|since| line.time >= since)
            && self.until.is_none_or(|until| line.time < until)
            && self.others_after.is_none_or(|time| line.time > time || self.named.contains(&line.instance))
            && self.grep.as_deref().is_none_or(|text| line.text.contains(text))
            && self.test.as_ref().is_none_or(|test| test.passes(&line.text))
    }
}
