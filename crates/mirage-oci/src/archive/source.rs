//! Where an image that is saved comes from.

use bytes::Bytes;
use mirage_core::{Digest, Error, Login, Reference};

use crate::client::{BlobFetcher, BlobSink, Descriptor, Fault, RegistryClient, RemoteImage, report};

/// Registries that an image is saved from.
pub struct ImageSource {
    /// How they are asked.
    pub client: RegistryClient,
    /// As whom; as anybody where there is nobody.
    pub login: Option<Login>,
}

impl ImageSource {
    /// What the reference points to.
    pub(super) async fn top(&self, reference: &Reference) -> Result<(Digest, Bytes), Fault> {
        let (digest, _) = self.client.documents().top(self.remote(reference)).await?;
        let bytes = self.manifest(reference, &digest).await?;
        Ok((digest, bytes))
    }

    /// The manifest or index with this digest.
    pub(super) async fn manifest(&self, reference: &Reference, digest: &Digest) -> Result<Bytes, Fault> {
        self.client.documents().manifest_bytes(self.remote(reference), digest).await
    }

    /// A blob, checked against its digest when it is through.
    pub(super) async fn blob(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        sink: BlobSink,
    ) -> Result<(), Fault> {
        BlobFetcher::new(self.client.link().clone()).fetch(self.remote(reference), blob, sink).await
    }

    /// The user's error.
    pub(super) fn report(&self, fault: Fault, reference: &Reference) -> Error {
        report(fault, self.remote(reference))
    }

    fn remote<'a>(&'a self, reference: &'a Reference) -> RemoteImage<'a> {
        RemoteImage { reference, login: self.login.as_ref() }
    }
}
