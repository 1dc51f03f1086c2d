//! The sample image on its way into the built-in registry, as any client brings one there.

use mirage_core::{Repository, Result, Secret, Tag};
use mirage_oci::client::{Content, PlatformRegistry, RegistryOptions};

use super::image::Image;
use crate::clock::SystemRandomness;
use crate::platform::seed;
use mirage_cli::Token;

const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

/// Pushes an image: its blobs, then its manifest under a tag.
pub(super) async fn push(
    url: &str,
    token: &Token,
    repository: &Repository,
    tag: &Tag,
    image: Image,
) -> Result<()> {
    let secret = Secret::from(token.reveal().to_owned());
    let registry =
        PlatformRegistry::new(url, Some(&secret), RegistryOptions::default(), seed(&SystemRandomness))?;
    for blob in [image.layer, image.config] {
        let content = Content::Bytes(blob.bytes.into());
        registry.put_blob(repository, &blob.digest, &content, None, &Default::default()).await?;
    }
    let manifest = image.manifest;
    registry.put_manifest(repository, Some(tag), &manifest.digest, OCI_IMAGE, manifest.bytes.into()).await
}
