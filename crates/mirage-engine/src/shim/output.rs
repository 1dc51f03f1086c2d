//! From the container's output to its log.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mirage_core::LogStream;
use mirage_core::port::Clock;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::logs::LogWriter;

/// Bytes taken at a time.
const CHUNK: usize = 16 * 1024;

/// Chunks taken from one stream before others have their turn.
const TURNS: usize = 4;

/// The reading ends of a container's output, and where it goes.
pub(super) struct Streams {
    open: Vec<(LogStream, File)>,
    chunk: Vec<u8>,
    log: LogWriter,
}

impl Streams {
    /// Output that goes to this log.
    ///
    /// # Errors
    /// Whatever the kernel says to making the pipes.
    pub(super) fn new(log: LogWriter) -> io::Result<(Self, crate::runtime::Output)> {
        let (stdout, stdout_of_container) = pipe()?;
        let (stderr, stderr_of_container) = pipe()?;
        let open = vec![(LogStream::Stdout, stdout), (LogStream::Stderr, stderr)];
        let output = crate::runtime::Output { stdout: stdout_of_container, stderr: stderr_of_container };
        Ok((Self { open, chunk: Vec::new(), log }, output))
    }

    /// What to wait on.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.open.iter().map(|(_, file)| file.as_fd())
    }

    /// Moves what has been written. While the disk is slow this takes its time, the pipes fill up
    /// and the container waits; no line is lost to it.
    pub(super) fn move_on(&mut self, clock: &dyn Clock) {
        self.chunk.resize(CHUNK, 0);
        let Self { open, chunk, log } = self;
        open.retain_mut(|(stream, file)| {
            (0..TURNS).all(|_| move_chunk(*stream, file, chunk, log, clock) != Flow::Ended)
        });
    }

    /// Moves what is left when the container is gone, and ends the log. Does not wait: whoever still
    /// holds the other end is not of the container.
    pub(super) fn finish(&mut self, clock: &dyn Clock) {
        self.chunk.resize(CHUNK, 0);
        let Self { open, chunk, log } = self;
        for (stream, file) in open.iter_mut() {
            // A pipe holds a megabyte at most, so this ends even where somebody keeps writing.
            for _ in 0..(1 << 20) / CHUNK {
                if move_chunk(*stream, file, chunk, log, clock) != Flow::More {
                    break;
                }
            }
        }
        open.clear();
        log.finish(clock);
    }
}

#[derive(PartialEq, Eq)]
enum Flow {
    More,
    Nothing,
    Ended,
}

fn move_chunk(
    stream: LogStream,
    file: &mut File,
    chunk: &mut [u8],
    log: &mut LogWriter,
    clock: &dyn Clock,
) -> Flow {
    match file.read(chunk) {
        Ok(0) => Flow::Ended,
        Ok(length) => {
            log.write(stream, &chunk[..length], clock);
            Flow::More
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => Flow::More,
        Err(error) if error.kind() == ErrorKind::WouldBlock => Flow::Nothing,
        Err(_) => Flow::Ended,
    }
}

/// A pipe whose reading end does not wait.
fn pipe() -> io::Result<(File, OwnedFd)> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((File::from(read), write))
}
