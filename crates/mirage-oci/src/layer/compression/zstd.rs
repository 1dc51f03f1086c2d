//! Zstandard of one or more frames, skippable ones included. What follows the last one and is no
//! frame is ignored, as with gzip.

use std::io::{self, BufRead, Read};

use ::zstd::stream::raw::{DParameter, Decoder, Operation};

use super::input::Input;

/// The largest window, 128 MiB: what the `zstd` program accepts unless told otherwise.
const WINDOW_LOG_MAX: u32 = 27;

/// Whether a frame, or a skippable frame, begins here (RFC 8878, 3.1).
pub(super) fn is_frame(start: &[u8]) -> bool {
    matches!(start, [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Reads what zstd frames hold.
pub(in crate::layer) struct Zstd<R> {
    input: Input<R>,
    decoder: Decoder<'static>,
    between_frames: bool,
}

impl<R: Read> Zstd<R> {
    pub(super) fn new(input: Input<R>) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
        Ok(Self { input, decoder, between_frames: true })
    }

    pub(super) fn input(&self) -> &Input<R> {
        &self.input
    }

    pub(super) fn input_mut(&mut self) -> &mut Input<R> {
        &mut self.input
    }
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            if self.between_frames {
                if !is_frame(self.input.peek(4)?) {
                    return Ok(0);
                }
                self.between_frames = false;
            }
            let compressed = self.input.fill_buf()?;
            let status = self.decoder.run_on_buffers(compressed, out)?;
            self.input.consume(status.bytes_read);
            self.between_frames = status.remaining == 0;
            if status.bytes_written > 0 {
                return Ok(status.bytes_written);
            }
            if status.bytes_read == 0 && !self.between_frames {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}
