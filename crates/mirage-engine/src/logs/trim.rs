//! Keeps the logs of a service within their size.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::segment;
use super::tree::{self, LoggedInstance};

/// Instances that have ended and whose logs are kept, however small they are: a service that
/// crashes all day must not fill the disk with folders.
const ENDED_INSTANCES_MAX: usize = 256;

/// Deletes the oldest segments until `max_bytes` are left, and answers with the bytes freed. What a
/// writer has open is never deleted.
pub(crate) fn trim(service_dir: &Path, max_bytes: u64) -> io::Result<u64> {
    let mut logs = Vec::new();
    for who in tree::instances(service_dir, None)? {
        logs.extend(measure(who)?);
    }
    let before: u64 = logs.iter().map(Log::bytes).sum();
    let mut left = before;
    logs.sort_by_key(|log| (log.ended, std::cmp::Reverse(log.last_written())));
    let running = logs.iter().filter(|log| !log.ended).count();
    for log in logs.split_off(logs.len().min(running + ENDED_INSTANCES_MAX)) {
        for segment in &log.segments {
            left -= remove(&log, segment)?;
        }
    }
    let mut deletable: Vec<_> =
        logs.iter().flat_map(|log| log.deletable().iter().map(move |segment| (log, segment))).collect();
    deletable.sort_by_key(|(_, segment)| (segment.written, segment.number));
    for (log, segment) in deletable {
        if left <= max_bytes {
            break;
        }
        left -= remove(log, segment)?;
    }
    Ok(before - left)
}

/// What an instance left.
struct Log {
    who: LoggedInstance,
    ended: bool,
    /// Ascending; at least one.
    segments: Vec<Segment>,
}

struct Segment {
    number: u64,
    bytes: u64,
    /// When it was last written to, but not before its predecessor.
    written: SystemTime,
}

impl Log {
    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    fn last_written(&self) -> Option<SystemTime> {
        self.segments.last().map(|segment| segment.written)
    }

    fn deletable(&self) -> &[Segment] {
        match self.segments.split_last() {
            Some((_, closed)) if !self.ended => closed,
            _ => &self.segments,
        }
    }
}

/// Looks at the log of an instance; `None` where nothing has been written yet.
fn measure(who: LoggedInstance) -> io::Result<Option<Log>> {
    let mut segments: Vec<Segment> = Vec::new();
    for number in tolerate_missing(segment::list(&who.dir))?.unwrap_or_default() {
        let path = segment::path(&who.dir, number);
        let Some(facts) = tolerate_missing(std::fs::symlink_metadata(path))? else { continue };
        let written = facts.modified()?;
        let written = segments.last().map_or(written, |before| before.written.max(written));
        segments.push(Segment { number, bytes: facts.len(), written });
    }
    if segments.is_empty() {
        return Ok(None);
    }
    // A writer locks its folder before it makes the first segment, and until it ends. An empty
    // folder is left alone, so that this test never stands in the way of a writer's lock.
    let Some(folder) = tolerate_missing(File::open(&who.dir))? else { return Ok(None) };
    let ended = match folder.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(error)) => return Err(error),
    };
    Ok(Some(Log { who, ended, segments }))
}

/// Deletes a segment, and the folders that it leaves empty. Answers with the bytes freed.
fn remove(log: &Log, segment: &Segment) -> io::Result<u64> {
    tolerate_missing(std::fs::remove_file(segment::path(&log.who.dir, segment.number)))?;
    if log.ended && std::fs::remove_dir(&log.who.dir).is_ok() {
        // Refused where the deployment has other instances.
        let _ = log.who.dir.parent().map(std::fs::remove_dir);
    }
    Ok(segment.bytes)
}

fn tolerate_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
