//! A layer on its way from a registry into an archive.

use std::fs::File;
use std::io::{self, BufWriter, Read as _};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use mirage_core::{Digest, Error, Reference, Result};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::draft::Draft;
use super::error::{damaged, of_reader};
use super::source::ImageSource;
use super::write::TarWriter;
use crate::client::{BlobSink, Descriptor};
use crate::hash::Hasher;
use crate::layer::{Inflated, LayerError, LayerLimits};
use crate::pull::Feed;

/// Chunks between the connection and the thread that writes.
const CHUNKS_AHEAD: usize = 8;
const BUFFER_BYTES: usize = 256 * 1024;

/// The archive that is written.
pub(super) type Tar = TarWriter<BufWriter<File>>;

/// Moves one layer.
pub(super) struct LayerMove<'a> {
    pub(super) source: &'a ImageSource,
    pub(super) reference: &'a Reference,
    pub(super) draft: &'a Draft,
    pub(super) blob: &'a Descriptor,
    /// How many bytes have come.
    pub(super) arrived: &'a Arc<AtomicU64>,
    /// What the layer must be when it is inflated; without it, the layer is written as it is.
    pub(super) diff_id: Option<&'a Digest>,
}

enum Trouble {
    Disk(io::Error),
    Layer(LayerError),
    OtherDigest(Digest),
}

impl LayerMove<'_> {
    /// Fetches and writes at the same time; gives the archive back.
    pub(super) async fn write(&self, mut tar: Tar, path: &str) -> Result<Tar> {
        tar.begin(path).map_err(|cause| self.draft.unwritable(cause))?;
        let (bytes, receiver) = mpsc::channel(CHUNKS_AHEAD);
        let sink = BlobSink { bytes, arrived: Arc::clone(self.arrived) };
        let (feed, diff_id) = (Feed::new(receiver), self.diff_id.cloned());
        let mut fetching = Box::pin(self.source.blob(self.reference, self.blob, sink));
        let mut writing = Box::pin(spawn_blocking(move || match diff_id {
            None => as_it_is(tar, feed),
            Some(diff_id) => inflated(tar, feed, &diff_id),
        }));
        let refuse = |fault| self.source.report(fault, self.reference);
        let written = tokio::select! {
            fetched = &mut fetching => {
                // The sender goes with the future, and with it what the thread waits for.
                drop(fetching);
                let written = writing.await;
                // Where both fail, the fetching was first: what was written broke off with it.
                fetched.map_err(refuse)?;
                written
            }
            written = &mut writing => {
                if let Ok(Ok(_) | Err(Trouble::Layer(_))) = &written {
                    fetching.await.map_err(refuse)?;
                }
                written
            }
        };
        let written = written.map_err(|cause| Error::internal("write a layer", cause))?;
        written.map_err(|trouble| self.explain(trouble, path))
    }

    fn explain(&self, trouble: Trouble, path: &str) -> Error {
        let image = self.reference.familiar();
        match trouble {
            Trouble::Disk(cause) => self.draft.unwritable(cause),
            Trouble::Layer(error) => of_reader(&image, path, error),
            Trouble::OtherDigest(digest) => {
                let blob = &self.blob.digest;
                damaged(
                    &image,
                    format!(
                        "the layer `{blob}` unpacks to `{digest}`, which its configuration does not name"
                    ),
                )
            }
        }
    }
}

fn as_it_is(mut tar: Tar, mut feed: Feed) -> Result<Tar, Trouble> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match feed.read(&mut buffer).map_err(Trouble::Disk)? {
            0 => break,
            count => tar.write(&buffer[..count]).map_err(Trouble::Disk)?,
        }
    }
    tar.end().map_err(Trouble::Disk)?;
    Ok(tar)
}

fn inflated(mut tar: Tar, feed: Feed, diff_id: &Digest) -> Result<Tar, Trouble> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut hasher = Hasher::new(diff_id.algorithm());
    let mut layer = Inflated::new(feed, &LayerLimits::default()).map_err(Trouble::Layer)?;
    loop {
        match layer.read(&mut buffer).map_err(Trouble::Layer)? {
            0 => break,
            count => {
                hasher.update(&buffer[..count]);
                tar.write(&buffer[..count]).map_err(Trouble::Disk)?;
            }
        }
    }
    layer.finish().map_err(Trouble::Layer)?;
    let digest = hasher.finish();
    if digest != *diff_id {
        return Err(Trouble::OtherDigest(digest));
    }
    tar.end().map_err(Trouble::Disk)?;
    Ok(tar)
}
