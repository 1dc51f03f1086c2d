//! The inflated stream in large pieces, with its limits.

use std::io::{self, Read, Write};

use super::header::BLOCK_BYTES;
use crate::layer::compression::{Decoder, classify};
use crate::layer::error::LayerError;
use crate::layer::limits::LayerLimits;

const BUFFER_BYTES: usize = 512 * 1024;

/// Reads the archive piece by piece and refuses one that inflates beyond its limits.
pub(super) struct Stream<R> {
    decoder: Decoder<R>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    inflated: u64,
    limits: LayerLimits,
    copy: Option<Box<dyn Write + Send>>,
}

impl<R: Read> Stream<R> {
    pub(super) fn new(decoder: Decoder<R>, limits: &LayerLimits) -> Self {
        Self {
            decoder,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            inflated: 0,
            limits: limits.clone(),
            copy: None,
        }
    }

    /// Writes every byte of the archive to `copy` too, as it is read.
    pub(super) fn copy_to(&mut self, copy: Box<dyn Write + Send>) {
        self.copy = Some(copy);
    }

    /// How many bytes have been handed out.
    pub(super) fn position(&self) -> u64 {
        self.inflated - (self.end - self.start) as u64
    }

    /// The next block, or `None` at the end of the stream.
    pub(super) fn block(&mut self) -> Result<Option<[u8; BLOCK_BYTES]>, LayerError> {
        while self.end - self.start < BLOCK_BYTES {
            if !self.fill()? {
                return match self.end - self.start {
                    0 => Ok(None),
                    _ => Err(LayerError::damaged(self.inflated, "it ends within a block")),
                };
            }
        }
        let mut block = [0; BLOCK_BYTES];
        block.copy_from_slice(&self.buffer[self.start..self.start + BLOCK_BYTES]);
        self.start += BLOCK_BYTES;
        Ok(Some(block))
    }

    /// The next bytes, at least one and at most `count`, which must be there.
    pub(super) fn piece(&mut self, count: u64) -> Result<&[u8], LayerError> {
        if self.start == self.end && !self.fill()? {
            return Err(LayerError::damaged(self.position(), "it ends within an entry"));
        }
        let length = usize::try_from(count).unwrap_or(usize::MAX).min(self.end - self.start);
        let piece = &self.buffer[self.start..self.start + length];
        self.start += length;
        Ok(piece)
    }

    /// Passes over the next bytes, which must be there.
    pub(super) fn skip(&mut self, mut count: u64) -> Result<(), LayerError> {
        while count > 0 {
            count -= self.piece(count)?.len() as u64;
        }
        Ok(())
    }

    /// Reads everything that is left, inflated and not. Answers with the size of the whole archive.
    pub(super) fn drain(&mut self) -> Result<u64, LayerError> {
        self.start = self.end;
        while self.fill()? {
            self.start = self.end;
        }
        self.decoder.drain()?;
        Ok(self.inflated)
    }

    /// Reads more behind what is buffered; `false` at the end of the stream.
    fn fill(&mut self) -> Result<bool, LayerError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let count = loop {
            match self.decoder.read(&mut self.buffer[self.end..]) {
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(|cause| classify(self.inflated, cause))?,
            }
        };
        if let Some(copy) = &mut self.copy {
            copy.write_all(&self.buffer[self.end..self.end + count]).map_err(LayerError::Write)?;
        }
        self.end += count;
        self.inflated += count as u64;
        self.limits.check_inflated(self.inflated, self.decoder.compressed_bytes())?;
        Ok(count > 0)
    }
}
