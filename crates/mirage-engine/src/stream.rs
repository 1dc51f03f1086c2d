//! Between work that blocks and streams that do not.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use mirage_core::port::Archive;
use mirage_core::{Error, Result};
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::spawn_blocking;

/// Pieces that wait at most, on either side.
const WAITING: usize = 4;

/// Bytes of a piece, about.
const PIECE: usize = 128 << 10;

/// How long whoever reads an archive may take nothing of it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What `work` writes, as it is written. Nobody reading on ends the work, and so does a reader who takes nothing for
/// as long as `patience`: work that waits has a thread that others need. What the work holds is free when it ends, also
/// where a reader never comes back; one that does finds its error at the end. To be called in a tokio runtime.
pub fn written_by(patience: Duration, work: impl FnOnce(Sink) -> Result<()> + Send + 'static) -> Archive {
    let (sender, receiver) = channel(WAITING);
    let sink =
        Sink { sender: Some(sender), patience, runtime: Handle::current(), piece: Vec::with_capacity(PIECE) };
    let work = spawn_blocking(move || work(sink));
    // An archive without its end must not look whole, whatever ended it.
    stream::unfold(Some((receiver, work)), |state| async move {
        let (mut receiver, work) = state?;
        if let Some(piece) = receiver.recv().await {
            return Some((Ok(piece), Some((receiver, work))));
        }
        let done = work.await.unwrap_or_else(|broken| Err(Error::internal("write an archive", broken)));
        done.err().map(|error| (Err(error), None))
    })
    .boxed()
}

/// Where work writes to.
pub struct Sink {
    /// Gone with the reader: whatever else is written then need not wait for one.
    sender: Option<Sender<Vec<u8>>>,
    patience: Duration,
    runtime: Handle,
    piece: Vec<u8>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let Some(sender) = &self.sender else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        let why = match self.runtime.block_on(sender.send_timeout(piece, self.patience)) {
            Ok(()) => return Ok(()),
            Err(SendTimeoutError::Timeout(_)) => io::ErrorKind::TimedOut,
            Err(SendTimeoutError::Closed(_)) => io::ErrorKind::BrokenPipe,
        };
        self.sender = None;
        Err(why.into())
    }
}

/// Lets `work` read a stream, and answers with what comes out of both.
pub(crate) async fn read_by<T: Send + 'static>(
    mut archive: Archive,
    work: impl FnOnce(Source) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (sender, receiver) = channel(WAITING);
    let broken: Arc<Mutex<Option<Error>>> = Arc::default();
    let source = Source { receiver, piece: Vec::new(), at: 0, broken: Arc::clone(&broken) };
    let work = spawn_blocking(move || work(source));
    while let Some(piece) = archive.next().await {
        let last = piece.is_err();
        if sender.send(piece).await.is_err() || last {
            break;
        }
    }
    drop(sender);
    let done = work.await.unwrap_or_else(|broken| Err(Error::internal("read an archive", broken)));
    match broken.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(error) => Err(error),
        None => done,
    }
}

/// Where work reads from.
pub(crate) struct Source {
    receiver: Receiver<Result<Vec<u8>>>,
    piece: Vec<u8>,
    at: usize,
    broken: Arc<Mutex<Option<Error>>>,
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            match self.receiver.blocking_recv() {
                Some(Ok(piece)) => (self.piece, self.at) = (piece, 0),
                Some(Err(error)) => {
                    *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len() - self.at);
        buffer[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;
    use mirage_core::Code;
    use tokio::sync::Mutex;
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_nobody_takes_any_more_is_broken_off_and_says_so_and_who_is_slow_is_not_stuck() {
        let turn = Arc::new(Mutex::new(()));
        let held = turn.clone().lock_owned().await;
        let (ended, end) = tokio::sync::oneshot::channel();
        let mut archive = written_by(PATIENCE, move |mut sink| {
            let _held = held;
            let why = loop {
                if let Err(error) = sink.write_all(b"chunk").and_then(|()| sink.flush()) {
                    break error.kind();
                }
            };
            // It is over: nothing else waits for a reader.
            assert_eq!(sink.write_all(&[0; PIECE]).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
            ended.send(why).unwrap();
            Err(Error::new(Code::DeadlineExceeded, "nobody read it"))
        });
        for _ in 0..3 * WAITING {
            advance(PATIENCE / 2).await;
            assert_eq!(archive.next().await.unwrap().unwrap(), b"chunk");
        }
        while turn.try_lock().is_err() {
            advance(PATIENCE).await;
        }
        assert_eq!(end.await.unwrap(), io::ErrorKind::TimedOut);
        let rest: Result<Vec<Vec<u8>>> = archive.try_collect().await;
        assert_eq!(rest.unwrap_err().code(), Code::DeadlineExceeded);
    }

    #[tokio::test]
    async fn what_the_work_holds_is_free_when_its_last_byte_is_out() {
        let turn = Arc::new(Mutex::new(()));
        let held = turn.clone().lock_owned().await;
        let archive = written_by(PATIENCE, move |mut sink| {
            let _held = held;
            sink.write_all(&[7; 3 * PIECE]).and_then(|()| sink.flush()).unwrap();
            Ok(())
        });
        let all: Vec<Vec<u8>> = archive.try_collect().await.unwrap();
        assert_eq!(all.concat(), [7; 3 * PIECE]);
        drop(turn.lock().await);
    }
}
