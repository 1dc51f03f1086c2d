//! A compressed stream as the bytes that it stands for, within limits.

use std::io::{self, Read};

use super::compression::{Compression, Decoder, classify};
use super::error::LayerError;
use super::limits::LayerLimits;

/// Reads what a stream holds, however its first bytes say that it is compressed.
pub(crate) struct Inflated<R> {
    decoder: Decoder<R>,
    limits: LayerLimits,
    inflated: u64,
}

impl<R: Read> Inflated<R> {
    /// Looks at the first bytes and begins.
    pub(crate) fn new(stream: R, limits: &LayerLimits) -> Result<Self, LayerError> {
        let decoder = Decoder::by_first_bytes(stream)?;
        Ok(Self { decoder, limits: limits.clone(), inflated: 0 })
    }

    /// How the stream is compressed.
    pub(crate) fn compression(&self) -> Compression {
        self.decoder.compression()
    }

    /// The next bytes; 0 at the end.
    pub(crate) fn read(&mut self, out: &mut [u8]) -> Result<usize, LayerError> {
        let count = loop {
            match self.decoder.read(out) {
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(|cause| classify(self.inflated, cause))?,
            }
        };
        self.inflated += count as u64;
        self.limits.check_inflated(self.inflated, self.decoder.compressed_bytes())?;
        Ok(count)
    }

    /// Reads past anything that follows the compressed data.
    pub(crate) fn finish(mut self) -> Result<(), LayerError> {
        self.decoder.drain()
    }
}
