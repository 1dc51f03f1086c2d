//! The log of one instance read forwards, from a place on, across segments, to wherever its writer is.

use std::collections::VecDeque;
use std::io;

use jiff::Timestamp;
use mirage_core::{LogLine, LogPosition};

use super::record::LINE_RECORDS_MAX;
use super::segment;
use super::tree::LoggedInstance;
use super::window;

/// Hands out the lines of an instance in the order in which they were written.
pub(crate) struct Cursor {
    who: LoggedInstance,
    position: LogPosition,
    /// Lines that were read but not handed out.
    pub(crate) lines: VecDeque<LogLine>,
    /// Nothing more was there at the last look.
    pub(crate) at_end: bool,
    /// Segments were passed over that are gone, since the last line.
    lost: bool,
}

const WINDOW: usize = 64 * 1024;
const WINDOW_MAX: usize = 2 * LINE_RECORDS_MAX;

impl Cursor {
    /// Continues at a place. A place that is gone stands for the oldest line that is left.
    pub(crate) fn at(who: LoggedInstance, position: LogPosition) -> Self {
        Self { who, position, lines: VecDeque::new(), at_end: false, lost: false }
    }

    /// Begins in the last segment that can hold lines of `since` without any before it.
    pub(crate) fn since(who: LoggedInstance, since: Timestamp) -> io::Result<Self> {
        let mut position = LogPosition::default();
        for number in segment::list(&who.dir).unwrap_or_default().into_iter().rev() {
            let Some(file) = segment::open(&who.dir, number)? else { break };
            let at = LogPosition { segment: number, offset: 0 };
            let (first_lines, _) = window::lines(&who, at, &window::read(&file, 0, WINDOW)?);
            position = at;
            if first_lines.first().is_some_and(|line| line.time < since) {
                break;
            }
        }
        Ok(Self::at(who, position))
    }

    /// The folder that is read.
    pub(crate) fn who(&self) -> &LoggedInstance {
        &self.who
    }

    /// Reads on until there are lines or the end is reached.
    pub(crate) fn advance(&mut self) -> io::Result<()> {
        let mut length = WINDOW;
        while self.lines.is_empty() && !self.at_end {
            let LogPosition { segment: number, offset } = self.position;
            // Asked before reading: a segment that has a successor is complete.
            let complete = number < u64::MAX && segment::path(&self.who.dir, number + 1).exists();
            let Some(file) = segment::open(&self.who.dir, number)? else {
                self.skip_to_next()?;
                continue;
            };
            let bytes = window::read(&file, offset, length)?;
            let (lines, used) = window::lines(&self.who, self.position, &bytes);
            self.lines.extend(lines);
            if let Some(first) = self.lines.front_mut() {
                first.lost_before |= std::mem::take(&mut self.lost);
            }
            self.position.offset += used as u64;
            match (used > 0, bytes.len() < length) {
                (true, _) => length = WINDOW,
                (false, true) if complete => self.position = LogPosition { segment: number + 1, offset: 0 },
                (false, true) => self.at_end = true,
                (false, false) if length < WINDOW_MAX => length *= 2,
                // No writer of ours leaves so much without a line break.
                (false, false) => self.position.offset += bytes.len() as u64,
            }
        }
        Ok(())
    }

    /// The segment is not there: it was deleted, or nothing has been written yet.
    fn skip_to_next(&mut self) -> io::Result<()> {
        let numbers = match segment::list(&self.who.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            numbers => numbers?,
        };
        match numbers.into_iter().find(|number| *number > self.position.segment) {
            Some(segment) => {
                // Who begins has missed nothing that it has asked for.
                self.lost |= self.position != LogPosition::default();
                self.position = LogPosition { segment, offset: 0 };
            }
            None => self.at_end = true,
        }
        Ok(())
    }
}
