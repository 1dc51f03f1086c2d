//! The end of what a command writes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The most that is read of a command, in bytes. To one that writes more nobody listens any longer.
const MAX_READ: usize = 16 << 20;

/// A pipe that is read to its end, of which the last bytes are kept.
pub(super) struct Output {
    pipe: Option<File>,
    kept: VecDeque<u8>,
    limit: usize,
    left: usize,
}

impl Output {
    /// Keeps so many bytes of this pipe, which does not block.
    pub(super) fn new(pipe: OwnedFd, limit: usize) -> Self {
        Self { pipe: Some(File::from(pipe)), kept: VecDeque::new(), limit, left: MAX_READ }
    }

    /// What to wait on, while there is something to wait for.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(|pipe| pipe.as_fd())
    }

    /// Takes what is there.
    pub(super) fn read(&mut self) {
        let mut bytes = [0; 8192];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut bytes) {
                Ok(length) if length > 0 && self.left > 0 => {
                    self.left = self.left.saturating_sub(length);
                    self.kept.extend(&bytes[..length]);
                    let surplus = self.kept.len().saturating_sub(self.limit);
                    self.kept.drain(..surplus);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                _ => self.pipe = None,
            }
        }
    }

    /// The end of it as text. Where the front was cut off, it begins with a whole line if there is one.
    pub(super) fn text(mut self) -> String {
        let cut = self.left < MAX_READ && self.kept.len() == self.limit;
        let bytes = self.kept.make_contiguous();
        let whole = bytes.iter().position(|byte| *byte == b'\n').filter(|at| at + 1 < bytes.len());
        let from = whole.filter(|_| cut).map_or(0, |at| at + 1);
        String::from_utf8_lossy(&bytes[from..]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn kept(written: &[u8], limit: usize) -> String {
        let (read, write) = nix::unistd::pipe().unwrap();
        let mut output = Output::new(read, limit);
        let bytes = written.to_vec();
        let writer = std::thread::spawn(move || File::from(write).write_all(&bytes));
        output.read();
        writer.join().unwrap().unwrap();
        output.text()
    }

    #[test]
    fn the_last_whole_lines_are_kept() {
        assert_eq!(kept(b"one\ntwo\n", 100), "one\ntwo\n");
        assert_eq!(kept(b"first\nsecond\nthird\n", 14), "second\nthird\n");
        assert_eq!(kept(b"no line at all", 4), " all");
        assert_eq!(kept(b"", 4), "");
        assert_eq!(kept(b"\xff\n", 4), "\u{fffd}\n");
    }

    #[test]
    fn a_flood_costs_no_memory() {
        assert_eq!(kept(&vec![b'x'; 4 << 20], 4096).len(), 4096);
    }
}
