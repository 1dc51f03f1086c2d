//! The last lines of a service: the ends of its instances' logs, merged by time.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::path::Path;

use jiff::SignedDuration;
use mirage_core::{InstanceId, LogLine, LogPosition, LogQuery};

use super::tail::Tail;
use super::tree::{self, LoggedInstance};
use super::window::Filter;

/// The most lines of one answer, whatever the query says.
pub(crate) const LINES_MAX: usize = 100_000;

/// The most bytes of text of one answer.
const TEXT_MAX: usize = 64 * 1024 * 1024;

/// How far the clock may have been set back within a log without hiding lines from `since`.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_mins(1);

/// Lines in order of time, and for each instance the place after the last line it had.
pub(crate) struct Back {
    pub(crate) lines: Vec<LogLine>,
    pub(crate) ends: Vec<(LoggedInstance, LogPosition)>,
}

/// Reads the last lines that match, as many as the query wants and [`LINES_MAX`] allows.
pub(crate) fn read(service_dir: &Path, query: &LogQuery) -> io::Result<Back> {
    let floors: HashMap<InstanceId, LogPosition> = query.after.iter().copied().collect();
    let filter = Filter::new(query);
    let limit = query.limit.unwrap_or(LINES_MAX).min(LINES_MAX);
    let (mut tails, mut ends, mut heads) = (Vec::new(), Vec::new(), BinaryHeap::new());
    for who in tree::instances(service_dir, query.deployment)? {
        let floor = floors.get(&who.instance).copied().unwrap_or_default();
        let mut tail = Tail::open(who.clone(), floor)?;
        ends.push((who, tail.end()));
        heads.extend(tail.previous()?.map(|line| Head { line, tail: tails.len() }));
        tails.push(tail);
    }
    let (mut lines, mut text) = (Vec::new(), 0);
    while lines.len() < limit
        && text < TEXT_MAX
        && let Some(Head { line, tail }) = heads.pop()
    {
        if query
            .since
            .is_some_and(|since| line.time.saturating_add(CLOCK_SLACK).is_ok_and(|time| time < since))
        {
            continue;
        }
        heads.extend(tails[tail].previous()?.map(|line| Head { line, tail }));
        if filter.wants(&line) {
            text += line.text.len();
            lines.push(line);
        }
    }
    lines.reverse();
    // Where the limit has left some out, more than what is torn is missing anyway.
    if heads.is_empty() {
        let gone =
            query.after.iter().any(|(instance, _)| tails.iter().all(|tail| tail.instance() != *instance));
        if gone && !query.after_is_shared && query.deployment.is_none() {
            note_loss(&mut lines, |_| true);
        }
        for tail in tails.iter().filter(|tail| tail.is_torn()) {
            note_loss(&mut lines, |line| line.instance == tail.instance());
        }
    }
    Ok(Back { lines, ends })
}

/// Notes at the first line of these that some are missing before it.
fn note_loss(lines: &mut [LogLine], of: impl Fn(&LogLine) -> bool) {
    if let Some(line) = lines.iter_mut().find(|line| of(line)) {
        line.lost_before = true;
    }
}

/// The last unread line of one instance; the latest is the greatest.
struct Head {
    line: LogLine,
    tail: usize,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.line.time, self.line.instance).cmp(&(other.line.time, other.line.instance))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}
