//! An image of an archive with everything that it names.

use std::collections::HashSet;

use bytes::Bytes;
use mirage_core::Digest;

use crate::client::Content;
use crate::layer::Compression;

pub(super) const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// The media type of a layer that is compressed like this.
pub(super) fn layer_type(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "application/vnd.oci.image.layer.v1.tar",
        Compression::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
        Compression::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
    }
}

/// An image, or an index with its images.
#[derive(Debug, Default)]
pub(super) struct Bundle {
    /// Manifests and indexes, each once and after everything it names; the last one is the top.
    pub(super) documents: Vec<Document>,
    /// Configurations and layers, each once.
    pub(super) blobs: Vec<Blob>,
    /// The digests of all of them.
    known: HashSet<Digest>,
}

/// A manifest or an index.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) media_type: &'static str,
    pub(super) digest: Digest,
    pub(super) bytes: Bytes,
}

/// A configuration or a layer.
#[derive(Clone, Debug)]
pub(super) struct Blob {
    pub(super) digest: Digest,
    pub(super) content: Content,
}

/// An image with what the archive calls it.
#[derive(Debug)]
pub(super) struct Named {
    /// Names in the words of the archive.
    pub(super) names: Vec<String>,
    pub(super) image: Bundle,
}

impl Bundle {
    /// The digest of the whole.
    pub(super) fn digest(&self) -> Option<&Digest> {
        self.documents.last().map(|top| &top.digest)
    }

    /// Whether it has this already.
    pub(super) fn knows(&self, digest: &Digest) -> bool {
        self.known.contains(digest)
    }

    /// Adds a manifest or an index, unless it is there.
    pub(super) fn add_document(&mut self, document: Document) {
        if self.known.insert(document.digest.clone()) {
            self.documents.push(document);
        }
    }

    /// Adds a configuration or a layer, unless it is there.
    pub(super) fn add_blob(&mut self, blob: Blob) {
        if self.known.insert(blob.digest.clone()) {
            self.blobs.push(blob);
        }
    }

    /// Adds what another one has.
    pub(super) fn absorb(&mut self, other: Self) {
        other.documents.into_iter().for_each(|document| self.add_document(document));
        other.blobs.into_iter().for_each(|blob| self.add_blob(blob));
    }
}
