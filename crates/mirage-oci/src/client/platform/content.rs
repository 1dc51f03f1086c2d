//! What is uploaded: bytes at hand, or a part of a file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use tokio::task::spawn_blocking;

/// How much is read and sent at once.
const PIECE_BYTES: u64 = 256 * 1024;

/// The content of a blob; it can be sent as often as it takes.
#[derive(Clone, Debug)]
pub enum Content {
    /// Bytes at hand.
    Bytes(Bytes),
    /// A part of a file.
    Part {
        /// The file.
        file: Arc<File>,
        /// Offset of the first byte.
        at: u64,
        /// Number of bytes.
        size: u64,
    },
}

impl Content {
    /// Number of bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Part { size, .. } => *size,
        }
    }

    /// The bytes in pieces, counted into `sent` as they are taken.
    pub(super) fn stream(
        &self,
        sent: Arc<AtomicU64>,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        let pieces = match self {
            Self::Bytes(bytes) => {
                let bytes = bytes.clone();
                stream::iter((!bytes.is_empty()).then_some(Ok(bytes))).left_stream()
            }
            Self::Part { file, at, size } => part(Arc::clone(file), *at, *size).right_stream(),
        };
        pieces.inspect_ok(move |piece| {
            sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
        })
    }
}

fn part(file: Arc<File>, at: u64, size: u64) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold((file, at, size), |(file, at, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let length = left.min(PIECE_BYTES);
        let read = spawn_blocking(move || {
            let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
            file.read_exact_at(&mut piece, at).map(|()| (Bytes::from(piece), file))
        });
        let (piece, file) = read.await.map_err(io::Error::other)??;
        Ok(Some((piece, (file, at + length, left - length))))
    })
}
