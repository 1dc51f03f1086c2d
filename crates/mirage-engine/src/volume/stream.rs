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

/// What `work` writes, as it is written. Nobody reading on ends the work, and so does a reader who takes nothing for
/// as long as `patience`: work that waits has a thread that others need. To be called in a tokio runtime.
pub(super) fn written_by(
    patience: Duration,
    work: impl FnOnce(Sink) -> Result<()> + Send + 'static,
) -> Archive {
    let (sender, receiver) = channel(WAITING);
    let sink = Sink { sender, patience, runtime: Handle::current(), piece: Vec::with_capacity(PIECE) };
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
pub(super) struct Sink {
    sender: Sender<Vec<u8>>,
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
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        let sent = self.runtime.block_on(self.sender.send_timeout(piece, self.patience));
        sent.map_err(|error| match error {
            SendTimeoutError::Timeout(_) => io::ErrorKind::TimedOut.into(),
            SendTimeoutError::Closed(_) => io::ErrorKind::BrokenPipe.into(),
        })
    }
}

/// Lets `work` read a stream, and answers with what comes out of both.
pub(super) async fn read_by<T: Send + 'static>(
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
pub(super) struct Source {
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
