//! The compressed bytes, with a look ahead.

use std::io::{self, BufRead, Read};

const BUFFER_BYTES: usize = 128 * 1024;

/// A buffered reader that can look ahead, counts, and marks errors that are its source's.
pub(in crate::layer) struct Input<R> {
    source: Option<R>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    read: u64,
}

/// The source of the stream failed, as opposed to the data being wrong.
#[derive(Debug, thiserror::Error)]
#[error("the source of the stream failed")]
pub(super) struct SourceFailed(#[source] pub(super) io::Error);

impl<R: Read> Input<R> {
    pub(super) fn new(source: R) -> Self {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Self { source: Some(source), buffer, start: 0, end: 0, read: 0 }
    }

    /// The next `count` bytes without taking them; fewer only at the end of the stream.
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.end - self.start < count && self.fill()? {}
        let end = self.end.min(self.start + count);
        Ok(&self.buffer[self.start..end])
    }

    /// Reads more behind what is buffered; `false` at the end of the stream.
    fn fill(&mut self) -> io::Result<bool> {
        let Some(source) = &mut self.source else { return Ok(false) };
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        loop {
            match source.read(&mut self.buffer[self.end..]) {
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(io::Error::new(cause.kind(), SourceFailed(cause))),
                Ok(count) => {
                    self.end += count;
                    self.read += count as u64;
                    return Ok(count > 0);
                }
            }
        }
    }
}

impl<R> Default for Input<R> {
    /// The end of a stream.
    fn default() -> Self {
        Self { source: None, buffer: Box::default(), start: 0, end: 0, read: 0 }
    }
}

impl<R> Input<R> {
    /// How many bytes have been taken.
    pub(super) fn consumed(&self) -> u64 {
        self.read - (self.end - self.start) as u64
    }
}

impl<R: Read> BufRead for Input<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.fill()?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let ready = self.fill_buf()?;
        let count = ready.len().min(out.len());
        out[..count].copy_from_slice(&ready[..count]);
        self.consume(count);
        Ok(count)
    }
}
