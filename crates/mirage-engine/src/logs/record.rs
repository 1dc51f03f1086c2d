//! One record of a log file: `2026-11-21T02:03:04.123456789Z stdout F text`.
//!
//! The format is that of the Kubernetes container runtime interface (`docs/container-logs` of the
//! kubelet, written by containerd and CRI-O): time, stream, `F` for the end of a line or `P` for a
//! part that the next record of the same stream continues, then the bytes as they came.

use jiff::Timestamp;
use mirage_core::LogStream;

/// The most text of one record in bytes; a longer line becomes `P` records and an `F`.
pub(crate) const PART_MAX: usize = 16 * 1024;

/// The most text of one line in bytes. What is longer is cut into several lines.
pub(crate) const LINE_MAX: usize = 1024 * 1024;

/// Bytes of a record besides its text: time, stream and tag with a space after each, and the line break.
pub(crate) const OVERHEAD: usize = TIME_LENGTH + " stdout F \n".len();

/// The most bytes of the records of one line.
pub(crate) const LINE_RECORDS_MAX: usize = records_length(LINE_MAX);

const TIME_LENGTH: usize = "2026-11-21T02:03:04.123456789Z".len();

/// Bytes that a line of `text` bytes takes in the file.
pub(crate) const fn records_length(text: usize) -> usize {
    let parts = if text == 0 { 1 } else { text.div_ceil(PART_MAX) };
    text + parts * OVERHEAD
}

/// A time as records spell it, always with nine decimals and therefore of one length.
pub(crate) fn spell(time: Timestamp) -> String {
    format!("{time:.9}")
}

/// Appends one record; `time` comes from [`spell`].
pub(crate) fn append(out: &mut Vec<u8>, time: &str, stream: LogStream, ends_line: bool, text: &[u8]) {
    let stream = match stream {
        LogStream::Stdout => " stdout ",
        LogStream::Stderr => " stderr ",
    };
    let tag = if ends_line { "F " } else { "P " };
    for piece in [time.as_bytes(), stream.as_bytes(), tag.as_bytes(), text, b"\n"] {
        out.extend_from_slice(piece);
    }
}

/// A record as it was read.
pub(crate) struct Record<'a> {
    pub(crate) time: Timestamp,
    pub(crate) stream: LogStream,
    pub(crate) ends_line: bool,
    pub(crate) text: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads a record without its line break; `None` where it is not one.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (time, rest) = bytes.split_at_checked(TIME_LENGTH)?;
        let time = std::str::from_utf8(time).ok()?.parse().ok()?;
        let (stream, rest) = match rest.split_at_checked(" stdout ".len())? {
            (b" stdout ", rest) => (LogStream::Stdout, rest),
            (b" stderr ", rest) => (LogStream::Stderr, rest),
            _ => return None,
        };
        let (ends_line, text) = match rest.split_at_checked("F ".len())? {
            (b"F ", text) => (true, text),
            (b"P ", text) => (false, text),
            _ => return None,
        };
        Some(Self { time, stream, ends_line, text })
    }
}

/// A line put together from its records.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) time: Timestamp,
    pub(crate) stream: LogStream,
    pub(crate) text: Vec<u8>,
}

/// What stands at the start of some bytes of a log file, and how many bytes it takes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// A whole line.
    Line(Line, usize),
    /// Bytes that are no record.
    Junk(usize),
    /// Part of a line; the rest is still to come.
    Incomplete,
}

/// Takes the first line off `bytes`. A chain of parts that nothing continues (its writer lost the
/// rest) and one that passes [`LINE_MAX`] count as lines.
pub(crate) fn take_line(bytes: &[u8]) -> Taken {
    let mut line: Option<Line> = None;
    let mut end = 0;
    loop {
        let Some(length) = bytes[end..].iter().position(|byte| *byte == b'\n') else {
            return Taken::Incomplete;
        };
        let record = Record::parse(&bytes[end..end + length]);
        let after = end + length + 1;
        let (record, text) = match (record, line) {
            (None, None) => return Taken::Junk(after),
            (None, Some(torn)) => return Taken::Line(torn, end),
            (Some(record), Some(so_far))
                if record.stream != so_far.stream || so_far.text.len() + record.text.len() > LINE_MAX =>
            {
                return Taken::Line(so_far, end);
            }
            (Some(record), Some(mut so_far)) => {
                so_far.text.extend_from_slice(record.text);
                (record, so_far)
            }
            (Some(record), None) => {
                let text = record.text.to_vec();
                let first = Line { time: record.time, stream: record.stream, text };
                (record, first)
            }
        };
        end = after;
        if record.ends_line {
            return Taken::Line(text, end);
        }
        line = Some(text);
    }
}

/// Where the first line end in `bytes` is that is not inside a chain of parts: a place from which
/// [`take_line`] finds the same lines as from the start of the file.
pub(crate) fn first_line_end(bytes: &[u8]) -> Option<usize> {
    let mut start = bytes.iter().position(|byte| *byte == b'\n')? + 1;
    loop {
        let end = start + bytes[start..].iter().position(|byte| *byte == b'\n')? + 1;
        if Record::parse(&bytes[start..end - 1]).is_some_and(|record| record.ends_line) {
            return Some(end);
        }
        start = end;
    }
}

#[cfg(test)]
mod tests;
