//! Where the bytes of a backup leave for whoever asked for them.

use std::io::{self, Write};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use mirage_core::{Error, Result};
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::spawn_blocking;

/// Chunks that wait for whoever takes the backup.
const CHUNKS_AHEAD: usize = 8;

/// What `work` writes, as it is written. Work that waits has a thread that others need, so it ends with a reader who
/// takes nothing for as long as `patience`. To be called in a tokio runtime.
pub(super) fn written_by(
    patience: Duration,
    work: impl FnOnce(Outlet) -> Result<()> + Send + 'static,
) -> BoxStream<'static, Result<Vec<u8>>> {
    let (sender, receiver) = channel(CHUNKS_AHEAD);
    let outlet = Outlet { sender: Some(sender), patience, runtime: Handle::current() };
    let work = spawn_blocking(move || work(outlet));
    stream::unfold(Some((receiver, work)), |state| async move {
        let (mut receiver, work) = state?;
        if let Some(chunk) = receiver.recv().await {
            return Some((Ok(chunk), Some((receiver, work))));
        }
        let done = work.await.unwrap_or_else(|broken| Err(Error::internal("make a backup", broken)));
        done.err().map(|error| (Err(error), None))
    })
    .boxed()
}

/// Where work writes to.
pub(super) struct Outlet {
    /// Gone with the reader: whatever else is written then need not wait for one.
    sender: Option<Sender<Vec<u8>>>,
    patience: Duration,
    runtime: Handle,
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(sender) = &self.sender else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let why = match self.runtime.block_on(sender.send_timeout(bytes.to_vec(), self.patience)) {
            Ok(()) => return Ok(bytes.len()),
            Err(SendTimeoutError::Timeout(_)) => io::ErrorKind::TimedOut,
            Err(SendTimeoutError::Closed(_)) => io::ErrorKind::BrokenPipe,
        };
        self.sender = None;
        Err(why.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;
    use mirage_core::Code;

    use super::*;

    #[tokio::test]
    async fn a_backup_that_nobody_reads_on_is_broken_off_and_says_so() {
        let (ended, end) = tokio::sync::oneshot::channel();
        let mut archive = written_by(Duration::from_millis(50), move |mut outlet| {
            let done = (0..=10 * CHUNKS_AHEAD).try_for_each(|_| outlet.write_all(b"chunk"));
            ended.send(done.unwrap_err().kind()).unwrap();
            Err(Error::new(Code::DeadlineExceeded, "nobody read it"))
        });
        assert_eq!(archive.next().await.unwrap().unwrap(), b"chunk");
        assert_eq!(end.await.unwrap(), io::ErrorKind::TimedOut);
        let rest: Result<Vec<Vec<u8>>> = archive.try_collect().await;
        assert_eq!(rest.unwrap_err().code(), Code::DeadlineExceeded);
    }
}
