//! Writing in order, in large pieces.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::layer::error::LayerError;

const BUFFER_BYTES: usize = 1 << 20;
/// Gaps from this size on become holes of the file.
const HOLE_BYTES: u64 = 64 << 10;

/// Collects what is written into pieces of one MiB.
pub(super) struct Appender<'a> {
    file: &'a File,
    buffer: Vec<u8>,
    written: u64,
}

impl<'a> Appender<'a> {
    /// Begins at byte `start` of the file.
    pub(super) fn new(file: &'a File, start: u64) -> Self {
        Self { file, buffer: Vec::with_capacity(BUFFER_BYTES), written: start }
    }

    /// Where the next byte goes.
    pub(super) fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    pub(super) fn append(&mut self, mut bytes: &[u8]) -> Result<(), LayerError> {
        while !bytes.is_empty() {
            let (fitting, rest) = bytes.split_at(bytes.len().min(BUFFER_BYTES - self.buffer.len()));
            self.buffer.extend_from_slice(fitting);
            if self.buffer.len() == BUFFER_BYTES {
                self.flush()?;
            }
            bytes = rest;
        }
        Ok(())
    }

    /// Goes on at `position`, with zeros up to there.
    pub(super) fn zeros_to(&mut self, position: u64) -> Result<(), LayerError> {
        const ZEROS: [u8; 4096] = [0; 4096];
        if position.saturating_sub(self.position()) >= HOLE_BYTES {
            self.flush()?;
            self.written = position;
        }
        while self.position() < position {
            let count = (position - self.position()).min(ZEROS.len() as u64);
            self.append(&ZEROS[..count as usize])?;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<(), LayerError> {
        self.file.write_all_at(&self.buffer, self.written).map_err(LayerError::Write)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}
