//! An image in its registry, before its layers are moved.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use mirage_core::{Digest, DigestAlgorithm, Platform, Reference};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::bundle::{OCI_CONFIG, OCI_IMAGE, layer_type};
use super::source::ImageSource;
use crate::client::{BlobSink, ConfigDocument, Descriptor, Document, Fault, Layer, Manifest};
use crate::hash::digest_of;

/// How deep an index may hold indexes.
const MAX_INDEX_DEPTH: usize = 3;
/// Chunks on their way into memory.
const CHUNKS_AHEAD: usize = 8;

/// An image, its small documents at hand.
pub(super) struct Image {
    /// The digest of its manifest.
    pub(super) digest: Digest,
    /// Its manifest as it is in the registry.
    pub(super) bytes: Bytes,
    /// The same, read.
    pub(super) manifest: Manifest,
    /// Its configuration as it is in the registry.
    pub(super) config: Bytes,
    /// For what it was built, where it says so.
    pub(super) platform: Option<Platform>,
}

impl Image {
    /// The layers, each once.
    pub(super) fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        let mut seen = HashSet::new();
        self.manifest.layers.iter().map(|layer| &layer.blob).filter(move |blob| seen.insert(&blob.digest))
    }

    /// Makes a manifest of Docker's schema 2 one of OCI's, which names the same blobs.
    pub(super) fn make_oci(&mut self) {
        let own: Value = serde_json::from_slice(&self.bytes).unwrap_or_default();
        if own["mediaType"].as_str().is_none_or(|own| own == OCI_IMAGE) {
            return;
        }
        let layer = |layer: &Layer| {
            let Descriptor { digest, size } = &layer.blob;
            json!({ "mediaType": layer_type(layer.compression), "digest": digest, "size": size })
        };
        let config = &self.manifest.config;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_IMAGE,
            "config": { "mediaType": OCI_CONFIG, "digest": config.digest, "size": config.size },
            "layers": self.manifest.layers.iter().map(layer).collect::<Vec<_>>(),
        });
        self.bytes = manifest.to_string().into();
        self.digest = digest_of(DigestAlgorithm::Sha256, &self.bytes);
    }
}

/// The image that a reference means on a platform. Of an index it is the one for `wanted`, or for `here` where
/// nobody wants another one; an image that stands alone is taken for what it is, unless somebody wants another.
pub(super) async fn find(
    source: &ImageSource,
    reference: &Reference,
    wanted: Option<&Platform>,
    here: &Platform,
) -> Result<Image, Fault> {
    let (mut digest, mut bytes) = source.top(reference).await?;
    let mut platform = None;
    for _ in 0..=MAX_INDEX_DEPTH {
        let index = match Document::read(&bytes, None)? {
            Document::Index(index) => index,
            Document::Image(manifest) => {
                if manifest.layers.iter().any(|layer| layer.blob.digest == manifest.config.digest) {
                    return Err(Fault::Malformed("its configuration is one of its layers".into()));
                }
                let config = small(source, reference, &manifest.config).await?;
                let own = ConfigDocument::read(&config)?.platform;
                let platform: Option<Platform> = platform.or(own);
                if let (Some(wanted), Some(platform)) = (wanted, &platform)
                    && !platform.satisfies(wanted)
                {
                    return Err(Fault::NoPlatform {
                        wanted: wanted.clone(),
                        offered: vec![platform.clone()],
                    });
                }
                return Ok(Image { digest, bytes, manifest, config, platform });
            }
        };
        let wanted = wanted.unwrap_or(here);
        let Some(entry) = index.choose(wanted) else {
            return Err(Fault::NoPlatform { wanted: wanted.clone(), offered: index.platforms() });
        };
        digest = entry.manifest.digest.clone();
        platform = entry.platform.clone().or(platform);
        bytes = source.manifest(reference, &digest).await?;
    }
    Err(Fault::Malformed(format!("its indexes are nested more than {MAX_INDEX_DEPTH} deep")))
}

/// A configuration, whose size has been checked.
async fn small(source: &ImageSource, reference: &Reference, blob: &Descriptor) -> Result<Bytes, Fault> {
    let (bytes, mut receiver) = mpsc::channel(CHUNKS_AHEAD);
    let sink = BlobSink { bytes, arrived: Arc::default() };
    let gathering = async {
        let mut whole = Vec::new();
        while let Some(chunk) = receiver.recv().await {
            whole.extend_from_slice(&chunk);
        }
        whole
    };
    let (fetched, whole) = tokio::join!(source.blob(reference, blob, sink), gathering);
    fetched.map(|()| whole.into())
}
