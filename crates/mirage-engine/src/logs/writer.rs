//! The pen of the shim: bytes of two streams become lines in files of bounded size.

use std::collections::VecDeque;
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use mirage_core::LogStream;
use mirage_core::port::Clock;

use super::record::{self, LINE_MAX, LINE_RECORDS_MAX, PART_MAX, Record};
use super::segment;

/// Writes the log of one instance.
///
/// A line is written when it is complete; until then it is held in memory, at most 1 MiB of it (a
/// longer one is cut). A disk that is full, or fails, costs lines but stops nobody: what could not
/// be written is counted, and one line says so when writing works again.
///
/// The folder is locked (`flock`) for as long as the writer lives, which is how
/// [`super::LogDirectory::trim`] tells a log that is being written from one that has ended.
pub struct LogWriter {
    dir: PathBuf,
    _lock: File,
    max_bytes: u64,
    segment: File,
    number: u64,
    segment_bytes: u64,
    /// Numbers and sizes of the older segments, oldest first.
    closed: VecDeque<(u64, u64)>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// Records that have not been given to the kernel yet.
    batch: Vec<u8>,
    /// The file ends within a line of this stream.
    open_line: Option<LogStream>,
    /// The file ends within a record.
    torn: bool,
    /// Lines lost since the last notice, and why.
    gap: Option<(u64, io::Error)>,
    lost: u64,
}

/// Bytes of records after which a batch is written, so that a burst of tiny lines stays small in memory.
const BATCH: usize = 32 * 1024;

/// A buffer that has grown beyond this is given back when it is empty.
const KEPT_CAPACITY: usize = 64 * 1024;

const SEGMENT_MIN: u64 = 64 * 1024;
const SEGMENT_MAX: u64 = 8 * 1024 * 1024;

impl LogWriter {
    /// Opens the log in `dir`, which is made where it is missing, and starts a new segment there.
    /// At most `max_bytes` are kept (but never less than 128 KiB), in segments of an eighth of that
    /// (64 KiB to 8 MiB).
    ///
    /// # Errors
    /// The folder cannot be made, listed or written to, or another writer has it.
    pub fn open(dir: &Path, max_bytes: u64) -> io::Result<Self> {
        let lock = lock(dir)?;
        let mut closed = VecDeque::new();
        for number in segment::list(dir)? {
            closed.push_back((number, std::fs::metadata(segment::path(dir, number))?.len()));
        }
        let number = closed.back().map_or(0, |(number, _)| number + 1);
        Ok(Self {
            dir: dir.to_owned(),
            _lock: lock,
            max_bytes: max_bytes.max(2 * SEGMENT_MIN),
            segment: segment::create(dir, number)?,
            number,
            segment_bytes: 0,
            closed,
            stdout: Vec::new(),
            stderr: Vec::new(),
            batch: Vec::new(),
            open_line: None,
            torn: false,
            gap: None,
            lost: 0,
        })
    }

    /// Takes bytes that the instance wrote, as they came. One `write(2)` for all their lines, where
    /// they are not more than 32 KiB.
    pub fn write(&mut self, stream: LogStream, mut bytes: &[u8], clock: &dyn Clock) {
        let time = record::spell(clock.now());
        let mut line = std::mem::take(self.unfinished(stream));
        while let Some(length) = bytes.iter().position(|byte| *byte == b'\n') {
            let (rest_of_line, after) = (&bytes[..length], &bytes[length + 1..]);
            bytes = after;
            if line.is_empty() && length <= self.line_max() {
                self.put(&time, stream, without_return(rest_of_line));
                continue;
            }
            self.extend(&time, stream, &mut line, rest_of_line);
            self.put(&time, stream, without_return(&line));
            clear(&mut line);
        }
        self.extend(&time, stream, &mut line, bytes);
        *self.unfinished(stream) = line;
        self.flush(&time);
    }

    /// Writes what the streams left without a line break. To be called when they have ended.
    pub fn finish(&mut self, clock: &dyn Clock) {
        let time = record::spell(clock.now());
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            let line = std::mem::take(self.unfinished(stream));
            if !line.is_empty() {
                self.put(&time, stream, &line);
            }
        }
        self.flush(&time);
    }

    /// Lines that could not be written since the log was opened.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn unfinished(&mut self, stream: LogStream) -> &mut Vec<u8> {
        match stream {
            LogStream::Stdout => &mut self.stdout,
            LogStream::Stderr => &mut self.stderr,
        }
    }

    /// Adds bytes without line breaks to a line, and writes it wherever it becomes too long.
    fn extend(&mut self, time: &str, stream: LogStream, line: &mut Vec<u8>, mut bytes: &[u8]) {
        let max = self.line_max();
        while line.len() + bytes.len() > max {
            let (fitting, rest) = bytes.split_at(max - line.len());
            line.extend_from_slice(fitting);
            bytes = rest;
            self.put(time, stream, line);
            line.clear();
        }
        line.extend_from_slice(bytes);
    }

    /// The longest line of which all records fit one segment.
    fn line_max(&self) -> usize {
        match usize::try_from(self.segment_max()) {
            Ok(segment) if segment < LINE_RECORDS_MAX => segment / 2,
            _ => LINE_MAX,
        }
    }

    fn segment_max(&self) -> u64 {
        (self.max_bytes / 8).clamp(SEGMENT_MIN, SEGMENT_MAX)
    }

    /// Adds the records of one line to the batch. They stay together, in one segment, so that every
    /// line end in a file is a place from which reading can go on.
    fn put(&mut self, time: &str, stream: LogStream, line: &[u8]) {
        let needed = record::records_length(line.len()) as u64;
        if self.segment_bytes + self.batch.len() as u64 + needed > self.segment_max() {
            self.flush(time);
            if let Err(error) = self.rotate() {
                return self.lose(1, Some(error));
            }
        }
        let mut rest = line;
        loop {
            let (part, after) = rest.split_at(rest.len().min(PART_MAX));
            record::append(&mut self.batch, time, stream, after.is_empty(), part);
            let flushed = self.batch.len() < BATCH || self.flush(time);
            if after.is_empty() {
                return;
            }
            if !flushed {
                // The head of the line is gone, so its tail is worth nothing.
                return self.lose(1, None);
            }
            if self.batch.is_empty() {
                self.open_line = Some(stream);
            }
            rest = after;
        }
    }

    /// Makes the next segment, after deleting as many of the oldest as its full size needs.
    fn rotate(&mut self) -> io::Result<()> {
        let mut kept = self.segment_bytes + self.closed.iter().map(|(_, bytes)| bytes).sum::<u64>();
        while kept + self.segment_max() > self.max_bytes
            && let Some((number, bytes)) = self.closed.pop_front()
        {
            kept -= bytes;
            match std::fs::remove_file(segment::path(&self.dir, number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.segment = segment::create(&self.dir, self.number + 1)?;
        self.closed.push_back((self.number, self.segment_bytes));
        self.number += 1;
        self.segment_bytes = 0;
        (self.open_line, self.torn) = (None, false);
        Ok(())
    }

    /// Gives the batch to the kernel; `false` where some of it is lost.
    fn flush(&mut self, time: &str) -> bool {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return true;
        }
        let outcome = match self.mend(time) {
            Ok(()) => self.write_out(&batch),
            Err(error) => Err((0, error)),
        };
        let whole = outcome.is_ok();
        match outcome {
            Ok(()) => self.open_line = None,
            Err((written, error)) => {
                let lost = self.lost_of(&batch, written);
                self.lose(lost, Some(error));
            }
        }
        self.batch = batch;
        clear(&mut self.batch);
        whole
    }

    /// Counts the lines of a batch of which only `written` bytes are in the file, and notes how the file ends.
    fn lost_of(&mut self, batch: &[u8], written: usize) -> u64 {
        let (mut end, mut lost) = (0, 0);
        for bytes in batch.split_inclusive(|byte| *byte == b'\n') {
            let start = end;
            end += bytes.len();
            let Some(record) = Record::parse(&bytes[..bytes.len() - 1]) else { continue };
            if end <= written {
                self.open_line = (!record.ends_line).then_some(record.stream);
                continue;
            }
            self.torn |= start < written;
            lost += u64::from(record.ends_line);
        }
        lost
    }

    fn lose(&mut self, lines: u64, reason: Option<io::Error>) {
        self.lost += lines;
        let (before, last_reason) =
            self.gap.take().map_or((0, None), |(lines, reason)| (lines, Some(reason)));
        let reason = reason.or(last_reason).unwrap_or_else(|| io::ErrorKind::Other.into());
        self.gap = Some((before + lines, reason));
    }

    /// After a loss: ends the record and the line within which the file ends, and says what happened.
    fn mend(&mut self, time: &str) -> io::Result<()> {
        let Some((lines, reason)) = &self.gap else { return Ok(()) };
        let mut words = Vec::new();
        if self.torn {
            words.push(b'\n');
        }
        if let Some(stream) = self.open_line {
            record::append(&mut words, time, stream, true, b"");
        }
        let notice = format!("mirage: lines lost here: {lines} ({reason})");
        record::append(&mut words, time, LogStream::Stderr, true, notice.as_bytes());
        if let Err((written, error)) = self.write_out(&words) {
            self.torn |= written > 0;
            return Err(error);
        }
        self.gap = None;
        (self.open_line, self.torn) = (None, false);
        Ok(())
    }

    fn write_out(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut written = 0;
        while written < bytes.len() {
            match self.segment.write(&bytes[written..]) {
                Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    written += count;
                    self.segment_bytes += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((written, error)),
            }
        }
        Ok(())
    }
}

/// Makes the folder and locks it. An empty folder may be removed by `trim` between the two.
fn lock(dir: &Path) -> io::Result<File> {
    loop {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let folder = match File::open(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            folder => folder?,
        };
        folder.try_lock()?;
        if folder.metadata()?.nlink() > 0 {
            return Ok(folder);
        }
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn clear(buffer: &mut Vec<u8>) {
    buffer.clear();
    if buffer.capacity() > KEPT_CAPACITY {
        *buffer = Vec::new();
    }
}

#[cfg(test)]
mod tests;
