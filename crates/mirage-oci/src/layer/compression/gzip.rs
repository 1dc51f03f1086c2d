//! Gzip of one or more members. What follows the last one and is no member is ignored, as `gzip`
//! and Docker do.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;

use super::input::Input;

pub(super) const MAGIC: &[u8] = b"\x1f\x8b";

/// Reads what gzip members hold.
pub(in crate::layer) struct Gzip<R> {
    member: GzDecoder<Input<R>>,
    done: bool,
}

impl<R: Read> Gzip<R> {
    pub(super) fn new(input: Input<R>) -> Self {
        Self { member: GzDecoder::new(input), done: false }
    }

    pub(super) fn input(&self) -> &Input<R> {
        self.member.get_ref()
    }

    pub(super) fn input_mut(&mut self) -> &mut Input<R> {
        self.member.get_mut()
    }
}

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.done && !out.is_empty() {
            let count = self.member.read(out)?;
            if count > 0 {
                return Ok(count);
            }
            self.done = self.member.get_mut().peek(MAGIC.len())? != MAGIC;
            if !self.done {
                let input = std::mem::take(self.member.get_mut());
                self.member.reset(input);
            }
        }
        Ok(0)
    }
}
