//! Where an image that is saved comes from.

use bytes::Bytes;
use mirage_core::{Digest, Error, Reference};

use crate::client::{BlobFetcher, BlobSink, Descriptor, Fault, PlatformRegistry, RegistryClient, report};

/// A registry that an image is saved from.
pub enum ImageSource {
    /// Any registry that lets everybody in.
    Anybody(RegistryClient),
    /// The registry of a platform, with its token.
    Platform(Box<PlatformRegistry>),
}

impl ImageSource {
    /// What the reference points to.
    pub(super) async fn top(&self, reference: &Reference) -> Result<(Digest, Bytes), Fault> {
        match self {
            Self::Platform(registry) => registry.manifest(reference, None).await,
            Self::Anybody(client) => {
                let (digest, _) = client.documents().top(reference).await?;
                let bytes = client.documents().manifest_bytes(reference, &digest).await?;
                Ok((digest, bytes))
            }
        }
    }

    /// The manifest or index with this digest.
    pub(super) async fn manifest(&self, reference: &Reference, digest: &Digest) -> Result<Bytes, Fault> {
        match self {
            Self::Platform(registry) => Ok(registry.manifest(reference, Some(digest)).await?.1),
            Self::Anybody(client) => client.documents().manifest_bytes(reference, digest).await,
        }
    }

    /// A blob, checked against its digest when it is through.
    pub(super) async fn blob(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        sink: BlobSink,
    ) -> Result<(), Fault> {
        match self {
            Self::Platform(registry) => registry.blob(reference.repository(), blob, sink).await,
            Self::Anybody(client) => {
                let fetcher = BlobFetcher::new(client.link().clone());
                fetcher.fetch(reference.host(), reference.repository(), blob, sink).await
            }
        }
    }

    /// The user's error.
    pub(super) fn report(&self, fault: Fault, reference: &Reference) -> Error {
        match self {
            Self::Anybody(_) => report(fault, reference),
            Self::Platform(registry) => registry.explain(fault, reference),
        }
    }
}
