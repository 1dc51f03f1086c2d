//! The log of one instance read from its end, without looking at more of it than is asked for.

use std::io;

use mirage_core::{InstanceId, LogLine, LogPosition};

use super::record::first_line_end;
use super::segment;
use super::tree::LoggedInstance;
use super::window;

/// Hands out the lines of an instance, last first.
pub(crate) struct Tail {
    who: LoggedInstance,
    /// Lines before this place are not wanted.
    floor: LogPosition,
    /// Segments that have not been opened yet, ascending.
    segments: Vec<u64>,
    /// The part of the open segment that has not been read: from its start to this place.
    unread: Option<LogPosition>,
    /// Lines that were read but not handed out, ascending.
    lines: Vec<LogLine>,
    window: usize,
    /// The place after the last whole line; unknown until a window has been read.
    end: Option<LogPosition>,
    torn: bool,
}

const WINDOW_FIRST: usize = 16 * 1024;
const WINDOW_MAX: usize = 256 * 1024;

impl Tail {
    /// Looks at the end of the log.
    pub(crate) fn open(who: LoggedInstance, floor: LogPosition) -> io::Result<Self> {
        let mut segments = match segment::list(&who.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            segments => segments?,
        };
        let torn =
            floor != LogPosition::default() && !segments.is_empty() && !segments.contains(&floor.segment);
        segments.retain(|number| *number >= floor.segment);
        let mut tail = Self {
            who,
            floor,
            segments,
            unread: None,
            lines: Vec::new(),
            window: WINDOW_FIRST,
            end: None,
            torn,
        };
        while tail.end.is_none() && tail.has_more() {
            tail.fill()?;
        }
        Ok(tail)
    }

    /// The place after the last whole line there was when the tail was opened.
    pub(crate) fn end(&self) -> LogPosition {
        self.end.unwrap_or(self.floor)
    }

    /// Whose log it is.
    pub(crate) fn instance(&self) -> InstanceId {
        self.who.instance
    }

    /// Whether the segment from which was to be read on is gone.
    pub(crate) fn is_torn(&self) -> bool {
        self.torn
    }

    /// The line before the one that was handed out last.
    pub(crate) fn previous(&mut self) -> io::Result<Option<LogLine>> {
        while self.lines.is_empty() && self.has_more() {
            self.fill()?;
        }
        Ok(self.lines.pop())
    }

    fn has_more(&self) -> bool {
        self.unread.is_some() || !self.segments.is_empty()
    }

    /// Where reading stops in a segment.
    fn start_of(&self, segment: u64) -> LogPosition {
        if segment == self.floor.segment { self.floor } else { LogPosition { segment, offset: 0 } }
    }

    /// Reads the window before what has been read, or opens the segment before it.
    fn fill(&mut self) -> io::Result<()> {
        let Some(segment) = self.unread.map(|at| at.segment).or_else(|| self.segments.pop()) else {
            return Ok(());
        };
        let Some(file) = segment::open(&self.who.dir, segment)? else {
            // Deleted meanwhile, and with it all before it.
            (self.unread, self.segments) = (None, Vec::new());
            return Ok(());
        };
        let start = self.start_of(segment);
        let end = match self.unread {
            Some(at) => at.offset,
            None => file.metadata()?.len().max(start.offset),
        };
        let from = end.saturating_sub(self.window as u64).max(start.offset);
        let bytes = window::read(&file, from, usize::try_from(end - from).unwrap_or(self.window))?;
        let skip = if from == start.offset { Some(0) } else { first_line_end(&bytes) };
        let Some(skip) = skip.filter(|skip| from == start.offset || *skip < bytes.len()) else {
            // Less than a line: once more, with a larger window.
            self.unread = Some(LogPosition { segment, offset: end });
            self.window *= 2;
            return Ok(());
        };
        let at = LogPosition { segment, offset: from + skip as u64 };
        let (lines, used) = window::lines(&self.who, at, &bytes[skip..]);
        self.end.get_or_insert(LogPosition { segment, offset: at.offset + used as u64 });
        self.lines = lines;
        self.unread = (at.offset > start.offset).then_some(at);
        self.window = (self.window * 2).min(WINDOW_MAX);
        Ok(())
    }
}
