//! One layer: from its registry into the content store.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mirage_core::{Code, Error, Result};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::feed::{Feed, Watched};
use crate::client::{BlobFetcher, BlobSink, Fault, Layer, RemoteImage};
use crate::content::{ContentStore, LayerDraft};
use crate::layer::LayerLimits;

/// Chunks between the connection and the thread that unpacks. One has up to about 400 KiB.
const CHUNKS_AHEAD: usize = 8;

/// Moves one layer.
pub(super) struct LayerMove<'a> {
    pub(super) store: &'a ContentStore,
    pub(super) limits: &'a LayerLimits,
    pub(super) image: RemoteImage<'a>,
    pub(super) layer: &'a Layer,
    pub(super) arrived: &'a Arc<AtomicU64>,
}

impl LayerMove<'_> {
    /// Over HTTP. Wrong bytes are asked for once more: most come from something on the way.
    pub(super) async fn fetch(&self, fetcher: &BlobFetcher) -> Result<()> {
        let mut attempts = fetcher.attempts(self.image);
        let draft = loop {
            attempts -= 1;
            match self.fetch_and_unpack(fetcher).await {
                Err(Trouble::Fetching(fault @ Fault::WrongDigest { .. })) if attempts > 0 => {
                    tracing::warn!(image = %self.image.reference, %fault, "a layer came with wrong bytes, asking once more");
                    self.arrived.store(0, Ordering::Relaxed);
                }
                last => break last,
            }
        };
        self.commit(draft.map_err(|trouble| match trouble {
            Trouble::Fetching(fault) => fetcher.report(fault, self.image),
            Trouble::Unpacking(error) => error,
        })?)
        .await
    }

    /// From the blobs of the built-in registry, which were verified when they were pushed.
    pub(super) async fn copy(&self) -> Result<()> {
        let path = self.store.blob_path(&self.layer.blob.digest);
        let file = File::open(&path).map_err(|cause| self.not_here().because(cause))?;
        let (reader, _wanted) = Watched::new(file, Arc::clone(self.arrived));
        let draft = self.unpack(reader).await?;
        self.commit(draft).await
    }

    /// What to say of a layer that the built-in registry should have and has not.
    pub(super) fn not_here(&self) -> Error {
        let (blob, image) = (self.layer.blob.digest.short(), self.image.reference.familiar());
        Error::new(Code::ImageNotFound, format!("the built-in registry has no blob `{blob}` of `{image}`"))
            .hint("push the image again")
    }

    /// Fetches and unpacks at the same time. Where both fail, the fetching was first: what was
    /// unpacked broke off with it, or was not what it should be.
    async fn fetch_and_unpack(&self, fetcher: &BlobFetcher) -> Result<LayerDraft, Trouble> {
        let (bytes, receiver) = mpsc::channel(CHUNKS_AHEAD);
        let sink = BlobSink { bytes, arrived: Arc::clone(self.arrived) };
        let mut fetching = Box::pin(fetcher.fetch(self.image, &self.layer.blob, sink));
        let mut unpacking = Box::pin(self.unpack(Feed::new(receiver)));
        tokio::select! {
            fetched = &mut fetching => {
                // The sender goes with the future, and with it what the thread waits for.
                drop(fetching);
                let unpacked = unpacking.await;
                fetched.map_err(Trouble::Fetching)?;
                unpacked.map_err(Trouble::Unpacking)
            }
            unpacked = &mut unpacking => match unpacked {
                Err(error) if error.code() != Code::ImagePullError => Err(Trouble::Unpacking(error)),
                unpacked => {
                    fetching.await.map_err(Trouble::Fetching)?;
                    unpacked.map_err(Trouble::Unpacking)
                }
            },
        }
    }

    async fn unpack(&self, reader: impl std::io::Read + Send + 'static) -> Result<LayerDraft> {
        let (store, limits) = (self.store.clone(), self.limits.clone());
        let (digest, compression) = (self.layer.blob.digest.clone(), self.layer.compression);
        spawn_blocking(move || store.write_layer(&digest, compression, reader, &limits))
            .await
            .map_err(|cause| Error::internal("unpack a layer", cause))?
    }

    async fn commit(&self, draft: LayerDraft) -> Result<()> {
        let committed = spawn_blocking(move || draft.commit()).await;
        committed.map_err(|cause| Error::internal("keep a layer", cause))?.map(drop)
    }
}

enum Trouble {
    Fetching(Fault),
    Unpacking(Error),
}
