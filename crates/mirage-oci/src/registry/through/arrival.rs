//! A blob that is on its way from another registry, and those who read it meanwhile.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use mirage_core::{Error, Result};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

/// How much is read from the disk at once.
const PIECE_BYTES: u64 = 256 * 1024;

/// A blob that is on its way into a file.
pub(crate) struct Arrival {
    size: u64,
    file: File,
    progress: watch::Sender<Progress>,
}

#[derive(Clone, Default)]
struct Progress {
    written: u64,
    ended: Option<Result<()>>,
}

impl Arrival {
    /// A blob of this many bytes; `file` is another handle of the file it is written to.
    pub(super) fn new(size: u64, file: File) -> Self {
        Self { size, file, progress: watch::Sender::default() }
    }

    /// How many bytes it has.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// So many bytes are in the file now.
    pub(super) fn wrote(&self, bytes: u64) {
        self.progress.send_modify(|progress| progress.written += bytes);
    }

    /// Nothing more comes: it is complete and kept, or there is none.
    pub(super) fn end(&self, ended: Result<()>) {
        self.progress.send_modify(|progress| progress.ended = Some(ended));
    }

    /// Waits until it is kept, telling `arrived` how far it is.
    ///
    /// # Errors
    /// What kept it from coming.
    pub(super) async fn ended(&self, arrived: &AtomicU64) -> Result<()> {
        let mut progress = self.progress.subscribe();
        loop {
            let now = progress.borrow_and_update().clone();
            arrived.store(now.written, Ordering::Relaxed);
            if let Some(ended) = now.ended {
                return ended;
            }
            progress.changed().await.map_err(|cause| Error::internal("wait for a blob", cause))?;
        }
    }

    /// Reads `length` bytes from `first` on, as they come. The last byte of the blob is held back until all of it
    /// has proved right, so that nobody has wrong bytes and takes them for the whole.
    pub(super) fn read(
        self: Arc<Self>,
        first: u64,
        length: u64,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send {
        let progress = self.progress.subscribe();
        let end = first + length;
        stream::try_unfold((self, progress, first), move |(arrival, mut progress, at)| async move {
            if at == end {
                return Ok(None);
            }
            let ready = loop {
                let now = progress.borrow_and_update().clone();
                let ready = match now.ended {
                    Some(Err(error)) => return Err(io::Error::other(error.message().to_owned())),
                    Some(Ok(())) => arrival.size,
                    None => now.written.min(arrival.size.saturating_sub(1)),
                };
                if ready > at {
                    break ready;
                }
                progress.changed().await.map_err(io::Error::other)?;
            };
            let count = (ready.min(end) - at).min(PIECE_BYTES) as usize;
            let from = Arc::clone(&arrival);
            let piece = spawn_blocking(move || {
                let mut piece = vec![0; count];
                from.file.read_exact_at(&mut piece, at).map(|()| Bytes::from(piece))
            });
            let piece = piece.await.map_err(io::Error::other)??;
            Ok(Some((piece, (arrival, progress, at + count as u64))))
        })
    }
}
