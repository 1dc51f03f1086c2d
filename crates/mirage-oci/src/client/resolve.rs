//! Preflight: from a reference to a pinned image, without moving a layer.

use std::sync::Arc;

use async_trait::async_trait;
use mirage_core::port::{Registry, Sighting};
use mirage_core::{Digest, Error, Platform, Reference, ResolvedImage, Result};

use super::config::ConfigDocument;
use super::documents::Documents;
use super::fault::Fault;
use super::link::Link;
use super::local::OwnRegistry;
use super::manifest::{Document, Manifest};
use super::options::RegistryOptions;
use super::quota::Quotas;
use super::recent::Recent;
use super::report::report;
use super::turns::Turns;
use crate::content::ContentStore;

/// How deep an index may hold indexes.
const MAX_INDEX_DEPTH: usize = 3;

/// The client of every registry. Cheap to clone; clones share connections, tokens and memory.
#[derive(Clone)]
pub struct RegistryClient {
    documents: Arc<Documents>,
}

impl RegistryClient {
    /// A client with these settings; it opens no connection yet. `seed` sets off the jitter of its
    /// pauses. What is in `store` is not fetched; `own` is the built-in registry, which needs one.
    ///
    /// # Errors
    /// `INVALID_REQUEST` where the file of an authority cannot be read or holds no certificate.
    pub fn new(
        options: RegistryOptions,
        seed: u64,
        store: Option<ContentStore>,
        own: Option<OwnRegistry>,
    ) -> Result<Self> {
        let link = Arc::new(Link::new(options, seed)?);
        Ok(Self {
            documents: Arc::new(Documents {
                link,
                store,
                own,
                recent: Recent::default(),
                turns: Turns::default(),
                quotas: Quotas::default(),
            }),
        })
    }

    /// The way to every registry, for fetching blobs.
    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.documents.link
    }

    /// The documents of images, for pulling.
    pub(crate) fn documents(&self) -> &Documents {
        &self.documents
    }

    async fn find(&self, reference: &Reference, wanted: &Platform) -> Result<ResolvedImage, Fault> {
        let (digest, top) = self.documents.top(reference).await?;
        self.below(reference, wanted, digest, top).await
    }

    /// From what the reference points to down to the image for the platform.
    pub(super) async fn below(
        &self,
        reference: &Reference,
        wanted: &Platform,
        digest: Digest,
        top: Document,
    ) -> Result<ResolvedImage, Fault> {
        let found = self.descend(reference, wanted, digest.clone(), top).await?;
        let bytes = self.documents.config_bytes(reference, &found.image.config).await?;
        let ConfigDocument { platform, config } = ConfigDocument::read(&bytes)?;
        // The index speaks first: configurations of cross-built images are often wrong about themselves.
        let platform = found.platform.or(platform).unwrap_or_else(|| wanted.clone());
        let platforms = if found.offers.is_empty() { vec![platform.clone()] } else { found.offers };
        if !platform.satisfies(wanted) {
            return Err(Fault::NoPlatform { wanted: wanted.clone(), offered: platforms });
        }
        Ok(ResolvedImage {
            reference: reference.clone(),
            digest,
            manifest: found.manifest,
            platform,
            platforms,
            size_bytes: found.image.size_bytes(),
            layers: found.image.layers.len() as u32,
            config,
        })
    }

    /// Through indexes down to the image for the platform.
    async fn descend(
        &self,
        reference: &Reference,
        wanted: &Platform,
        mut manifest: Digest,
        mut document: Document,
    ) -> Result<Found, Fault> {
        let (mut platform, mut offers) = (None, Vec::new());
        for _ in 0..=MAX_INDEX_DEPTH {
            let index = match document {
                Document::Image(image) => return Ok(Found { manifest, image, platform, offers }),
                Document::Index(index) => index,
            };
            if offers.is_empty() {
                offers = index.platforms();
            }
            let Some(entry) = index.choose(wanted) else {
                return Err(Fault::NoPlatform { wanted: wanted.clone(), offered: offers });
            };
            manifest = entry.manifest.digest.clone();
            platform = entry.platform.clone().or(platform);
            document = self.documents.manifest(reference, &manifest).await?;
        }
        Err(Fault::Malformed(format!("its indexes are nested more than {MAX_INDEX_DEPTH} deep")))
    }
}

struct Found {
    manifest: Digest,
    image: Manifest,
    platform: Option<Platform>,
    offers: Vec<Platform>,
}

#[async_trait]
impl Registry for RegistryClient {
    async fn resolve(&self, reference: &Reference, platform: &Platform) -> Result<ResolvedImage, Error> {
        self.find(reference, platform).await.map_err(|fault| report(fault, reference))
    }

    async fn inspect(&self, reference: &Reference, platform: &Platform) -> Result<Sighting, Error> {
        self.look(reference, platform).await.map_err(|fault| report(fault, reference))
    }
}
