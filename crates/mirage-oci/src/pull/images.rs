//! The images on this machine: pulled, present, mounted, collected.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use mirage_core::port::{ImageStore, Progress, PullProgress};
use mirage_core::{Code, Digest, Error, Login, ResolvedImage, Result, Stock};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::disk;
use super::flights::{Flights, Seat};
use super::layer::LayerMove;
use super::tally::Tally;
use crate::client::{
    BlobFetcher, Document, Fault, Layer, MAX_MANIFEST_BYTES, Manifest, RegistryClient, RemoteImage,
};
use crate::content::ContentStore;
use crate::layer::LayerLimits;

/// Layers of one image that are moved at a time.
const LAYERS_AT_A_TIME: usize = 4;
/// Layers of all images that are moved at a time. More than one image's, so that a registry that
/// hangs does not hold up the others.
const LAYERS_IN_PROCESS: usize = 12;

/// The images on this machine. Cheap to clone; clones share the work they do.
#[derive(Clone)]
pub struct Images {
    inner: Arc<Inner>,
}

struct Inner {
    client: RegistryClient,
    fetcher: BlobFetcher,
    store: ContentStore,
    limits: LayerLimits,
    flights: Flights,
    places: Semaphore,
}

impl Images {
    /// The images in `store`; what is missing comes by `client`.
    pub fn new(client: RegistryClient, store: ContentStore, limits: LayerLimits) -> Self {
        let fetcher = BlobFetcher::new(Arc::clone(client.link()));
        let places = Semaphore::new(LAYERS_IN_PROCESS);
        Self {
            inner: Arc::new(Inner { client, fetcher, store, limits, flights: Flights::default(), places }),
        }
    }

    /// Runs something that blocks on the disk.
    async fn on_disk<T: Send + 'static>(&self, work: impl FnOnce(&Inner) -> T + Send + 'static) -> Result<T> {
        let inner = Arc::clone(&self.inner);
        spawn_blocking(move || work(&inner))
            .await
            .map_err(|cause| Error::internal("use the content store", cause))
    }
}

#[async_trait]
impl ImageStore for Images {
    async fn pull(
        &self,
        image: &ResolvedImage,
        login: Option<&Login>,
        progress: Arc<dyn Progress>,
    ) -> Result<PullProgress> {
        let inner = &self.inner;
        let reference = &image.reference;
        let remote = RemoteImage { reference, login };
        let _manifest_stays = inner.store.hold([image.manifest.clone()]);
        let documents = inner.client.documents();
        let bytes = documents.manifest_bytes(remote, &image.manifest).await;
        let bytes = bytes.map_err(|fault| inner.client.link().report(fault, remote))?;
        let manifest = image_manifest(&bytes).map_err(|fault| inner.client.link().report(fault, remote))?;
        let mut layers = distinct(&manifest);
        layers.reverse();
        let _all_stays = inner.store.hold(
            layers.iter().map(|layer| layer.blob.digest.clone()).chain([manifest.config.digest.clone()]),
        );
        let layers_total = layers.len();
        let missing = self.on_disk(move |inner| missing(inner, layers)).await?;
        let moving = missing.iter();
        let moving = moving
            .map(|(layer, seat)| (layer.blob.digest.clone(), layer.blob.size, Arc::clone(seat.arrived())));
        let tally = Tally::new(layers_total, moving.collect());
        let packed_bytes = tally.bytes_total();
        disk::check(inner.store.root(), packed_bytes, reference)?;
        let work = async {
            tokio::try_join!(
                Box::pin(self.keep_documents(remote, &image.manifest, bytes, &manifest)),
                Box::pin(self.move_layers(remote, missing)),
            )
        };
        let done = tally.report_while(&*progress, work).await;
        done.map_err(|error| disk::explain_full(error, inner.store.root(), packed_bytes, reference))?;
        Ok(tally.snapshot())
    }

    async fn is_present(&self, image: &ResolvedImage) -> bool {
        let digest = image.manifest.clone();
        let present = self.on_disk(move |inner| {
            let manifest = inner.kept_manifest(&digest).ok()??;
            let complete = inner.store.has_blob(&manifest.config.digest)
                && manifest.layers.iter().all(|layer| inner.store.has_layer(&layer.blob.digest));
            complete.then_some(())
        });
        matches!(present.await, Ok(Some(())))
    }

    async fn stock(&self, image: &ResolvedImage) -> Stock {
        let manifest = self.inner.client.documents().nearby(&image.manifest, MAX_MANIFEST_BYTES).await;
        let manifest = manifest.and_then(|bytes| image_manifest(&bytes).ok());
        let (present, stock) = tokio::join!(
            self.is_present(image),
            self.on_disk(move |inner| inner.stock(manifest.as_ref().map(distinct))),
        );
        Stock { present, ..stock.unwrap_or_default() }
    }

    async fn layers(&self, image: &ResolvedImage) -> Result<Vec<PathBuf>> {
        let (digest, name) = (image.manifest.clone(), image.reference.familiar());
        self.on_disk(move |inner| {
            let manifest = inner.kept_manifest(&digest)?.ok_or_else(|| {
                Error::new(Code::NotFound, format!("`{name}` is not on this machine"))
                    .hint("deploy again to pull it")
            })?;
            distinct(&manifest).iter().map(|layer| inner.store.mount_layer(&layer.blob.digest)).collect()
        })
        .await?
    }

    /// A pull that goes on is left alone. `keep` has to name every image whose pull is over, so read
    /// the revisions that are to be kept when no deployment is between its pull and its record.
    async fn collect(&self, keep: &HashSet<Digest>) -> Result<u64> {
        let keep = keep.clone();
        self.on_disk(move |inner| inner.collect(&keep)).await?
    }
}

/// What images consist of on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Their manifests and configurations.
    pub blobs: HashSet<Digest>,
    /// Their layers.
    pub layers: HashSet<Digest>,
}

impl Images {
    /// What the images with these manifests consist of; one that is not here has no parts. Blocks on the disk.
    ///
    /// # Errors
    /// `INTERNAL` where a manifest that is kept cannot be read.
    pub fn parts(&self, manifests: &HashSet<Digest>) -> Result<Parts> {
        self.inner.parts(manifests)
    }

    /// The manifest and the configuration, so that the image is complete with its registry gone.
    async fn keep_documents(
        &self,
        image: RemoteImage<'_>,
        digest: &Digest,
        bytes: Bytes,
        manifest: &Manifest,
    ) -> Result<()> {
        let documents = self.inner.client.documents();
        let config = documents.config_bytes(image, &manifest.config).await;
        let config = config.map_err(|fault| self.inner.client.link().report(fault, image))?;
        let (digest, config_digest) = (digest.clone(), manifest.config.digest.clone());
        self.on_disk(move |inner| {
            inner.store.put_blob(&config_digest, &config)?;
            inner.store.put_blob(&digest, &bytes)
        })
        .await?
    }

    /// The largest first, so that no large one is left to move alone at the end.
    async fn move_layers(&self, image: RemoteImage<'_>, mut missing: Vec<(Layer, Seat)>) -> Result<()> {
        missing.sort_by_key(|(layer, _)| std::cmp::Reverse(layer.blob.size));
        let moves = missing.into_iter().map(|(layer, seat)| self.move_layer(image, layer, seat));
        stream::iter(moves).buffer_unordered(LAYERS_AT_A_TIME).try_collect::<()>().await
    }

    async fn move_layer(&self, image: RemoteImage<'_>, layer: Layer, seat: Seat) -> Result<()> {
        let inner = &self.inner;
        let reference = image.reference;
        let arrived = seat.arrived();
        let turn = seat.turn(image).await?;
        if !inner.store.has_layer(&layer.blob.digest) {
            let _place =
                inner.places.acquire().await.map_err(|cause| Error::internal("wait for a place", cause))?;
            arrived.store(0, Ordering::Relaxed);
            let (store, limits) = (&inner.store, &inner.limits);
            let moving = LayerMove { store, limits, image, layer: &layer, arrived };
            let documents = inner.client.documents();
            if let Some((through, origin)) = documents.through(reference) {
                let brought = through.bring(&origin, &layer.blob, arrived).await;
                brought.inspect_err(|error| turn.failed(error))?;
            }
            let moved = match documents.own_registry(reference) {
                Some(own) if own.repositories.has_blob(reference.repository(), &layer.blob.digest) => {
                    Box::pin(moving.copy()).await
                }
                Some(_) => Err(moving.not_here()),
                None => Box::pin(moving.fetch(&inner.fetcher)).await,
            };
            moved.inspect_err(|error| turn.failed(error))?;
        }
        arrived.store(layer.blob.size, Ordering::Relaxed);
        Ok(())
    }
}

impl Inner {
    /// The manifest with this digest, if it was pulled or pushed here.
    fn kept_manifest(&self, digest: &Digest) -> Result<Option<Manifest>> {
        let Some(bytes) = self.store.blob(digest, MAX_MANIFEST_BYTES)? else { return Ok(None) };
        let manifest = image_manifest(&bytes);
        manifest.map(Some).map_err(|fault| Error::internal(&format!("read the manifest `{digest}`"), fault))
    }

    /// What of these layers is here, and the room for the others.
    fn stock(&self, layers: Option<Vec<Layer>>) -> Stock {
        let free_bytes = disk::free(self.store.root());
        let Some(layers) = layers else { return Stock { free_bytes, ..Stock::default() } };
        let missing = layers.iter().filter(|layer| !self.store.has_layer(&layer.blob.digest));
        let missing_bytes = missing.map(|layer| layer.blob.size).fold(0, u64::saturating_add);
        let unpacked = |layer: &Layer| self.store.layer_bytes(&layer.blob.digest).or(layer.unpacked_bytes);
        let unpacked_bytes = layers.iter().try_fold(0_u64, |all, layer| all.checked_add(unpacked(layer)?));
        Stock { present: false, missing_bytes: Some(missing_bytes), unpacked_bytes, free_bytes }
    }

    fn parts(&self, manifests: &HashSet<Digest>) -> Result<Parts> {
        let mut parts = Parts::default();
        for digest in manifests {
            let Some(manifest) = self.kept_manifest(digest)? else { continue };
            parts.blobs.extend([digest.clone(), manifest.config.digest]);
            parts.layers.extend(manifest.layers.into_iter().map(|layer| layer.blob.digest));
        }
        Ok(parts)
    }

    /// A kept manifest that cannot be read stops everything: what it needs is not known.
    fn collect(&self, keep: &HashSet<Digest>) -> Result<u64> {
        let Parts { mut blobs, layers } = self.parts(keep)?;
        match &self.client.documents().own {
            None => self.store.collect(&blobs, &layers),
            Some(own) => own.repositories.while_settled(|held| {
                blobs.extend(held.manifests.iter().chain(&held.blobs).cloned());
                self.store.collect(&blobs, &layers)
            })?,
        }
    }
}

fn missing(inner: &Inner, layers: Vec<Layer>) -> Vec<(Layer, Seat)> {
    let absent = layers.into_iter().filter(|layer| !inner.store.has_layer(&layer.blob.digest));
    absent.map(|layer| (layer.clone(), inner.flights.join(&layer.blob.digest))).collect()
}

fn image_manifest(bytes: &[u8]) -> Result<Manifest, Fault> {
    match Document::read(bytes, None)? {
        Document::Image(manifest) => Ok(manifest),
        Document::Index(_) => Err(Fault::Malformed("an index stands where the manifest should be".into())),
    }
}

/// The layers, topmost first, each once: an overlay refuses to stack a folder twice, and what is
/// under the upper one of two equal layers shows nothing that the upper one does not.
fn distinct(manifest: &Manifest) -> Vec<Layer> {
    let mut seen = HashSet::new();
    let topmost_first = manifest.layers.iter().rev();
    topmost_first.filter(|layer| seen.insert(&layer.blob.digest)).cloned().collect()
}
