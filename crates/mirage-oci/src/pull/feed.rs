//! From the network to a thread that unpacks: streams of bytes as readers.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

/// Reads what arrives in a channel. Blocks; ends when the sender goes away, whether the stream is
/// complete or not: who sends knows that.
pub(crate) struct Feed {
    receiver: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl Feed {
    /// Over the receiving end of a channel.
    pub(crate) fn new(receiver: mpsc::Receiver<Bytes>) -> Self {
        Self { receiver, current: Bytes::new() }
    }
}

impl Read for Feed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.receiver.blocking_recv() {
                Some(chunk) => self.current = chunk,
                None => return Ok(0),
            }
        }
        let count = self.current.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.current[..count]);
        self.current.advance(count);
        Ok(count)
    }
}

/// Reads a file of this machine, counting, until nobody wants it any more.
pub(super) struct Watched<R> {
    inner: R,
    arrived: Arc<AtomicU64>,
    unwanted: Arc<AtomicBool>,
}

impl<R> Watched<R> {
    /// Counts into `arrived`; fails as soon as the returned guard has been dropped.
    pub(super) fn new(inner: R, arrived: Arc<AtomicU64>) -> (Self, Wanted) {
        let unwanted = Arc::new(AtomicBool::new(false));
        (Self { inner, arrived, unwanted: Arc::clone(&unwanted) }, Wanted(unwanted))
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.unwanted.load(Ordering::Relaxed) {
            return Err(io::Error::other("the pull was cancelled"));
        }
        let count = self.inner.read(buffer)?;
        self.arrived.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// As long as this lives, somebody wants what a [`Watched`] reads.
pub(super) struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_of_any_size_are_one_stream() {
        let (sender, receiver) = mpsc::channel(8);
        for chunk in ["ab", "", "cdefg", "h"] {
            sender.try_send(Bytes::from_static(chunk.as_bytes())).unwrap();
        }
        drop(sender);
        let mut feed = Feed::new(receiver);
        let mut small = [0; 3];
        assert_eq!(feed.read(&mut small).unwrap(), 2);
        let mut rest = String::new();
        feed.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "cdefgh");
    }

    #[test]
    fn a_file_that_nobody_wants_is_not_read_on() {
        let arrived = Arc::new(AtomicU64::new(0));
        let (mut watched, wanted) = Watched::new(&b"abcdef"[..], Arc::clone(&arrived));
        let mut two = [0; 2];
        assert_eq!(watched.read(&mut two).unwrap(), 2);
        drop(wanted);
        assert!(watched.read(&mut two).is_err());
        assert_eq!(arrived.load(Ordering::Relaxed), 2);
    }
}
