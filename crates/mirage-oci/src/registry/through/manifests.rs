//! Manifests of other registries: asked for, kept, and answered from what is kept where nobody else answers.

use std::time::Instant;

use bytes::Bytes;
use mirage_core::{Code, Digest, Error, Reference, RegistryHost, Result, Tag};
use serde_json::Value;

use super::super::manifest::{self, Manifest, Needs};
use super::{Inner, Origin, PullThrough};
use crate::client::RemoteImage;

/// The most sizes of blobs that are remembered.
const MAX_SIZES: usize = 8192;

/// A manifest of another registry.
pub(crate) struct Found {
    /// What it is.
    pub(crate) digest: Digest,
    /// Its media type.
    pub(crate) media_type: String,
    /// As its origin sent it.
    pub(crate) bytes: Bytes,
    /// Why this is what the tag meant when it was last seen, and may mean no more.
    pub(crate) stale: Option<String>,
}

impl PullThrough {
    /// What a tag means at its origin now; where that cannot be found out, what it meant when it was last seen.
    ///
    /// # Errors
    /// What the origin says: `IMAGE_NOT_FOUND`, and the tag is forgotten here; `REGISTRY_AUTH_ERROR`. Anything
    /// else only where nothing is known of the tag.
    pub(crate) async fn tagged(&self, origin: &Origin, tag: &Tag) -> Result<Found> {
        let known = self.known(origin, tag).await?;
        if known.is_some() && self.inner.resting.has(origin.host(), Instant::now()) {
            return stale(known, origin.host(), Code::RegistryUnreachable);
        }
        let image = origin.tagged(tag);
        let error = match self.newest(&image, known.as_ref().map(|known| known.digest.clone())).await {
            Ok(newest) => return self.keep(origin, Some(tag), newest).await,
            Err(error) => error,
        };
        match error.code() {
            Code::ImageNotFound => {
                let (here, tag) = (origin.here().clone(), tag.clone());
                self.on_disk(move |inner| {
                    let _alone = inner.repositories.removing();
                    inner.repositories.remove_tag(&here, &tag)
                })
                .await?;
                Err(error)
            }
            Code::RegistryAuthError => Err(error),
            code if known.is_some() => {
                let gone = matches!(
                    code,
                    Code::RegistryUnreachable | Code::RegistryTlsError | Code::RegistryRateLimited
                );
                if gone {
                    self.inner.resting.add(origin.host(), Instant::now());
                }
                tracing::warn!(%image, %code, "registry: the origin does not help, what is kept of it answers: {}", error.message());
                stale(known, origin.host(), code)
            }
            _ => Err(error),
        }
    }

    /// The manifest with this digest: what is kept, else what the origin has.
    ///
    /// # Errors
    /// What the origin says.
    pub(crate) async fn manifest(&self, origin: &Origin, digest: &Digest) -> Result<Found> {
        let (here, wanted) = (origin.here().clone(), digest.clone());
        if let Some(kept) = self.on_disk(move |inner| inner.kept(&here, &wanted)).await? {
            return Ok(kept);
        }
        let newest = self.newest(&origin.pinned(digest), None).await?;
        self.keep(origin, None, newest).await
    }

    async fn known(&self, origin: &Origin, tag: &Tag) -> Result<Option<Found>> {
        let (here, tag) = (origin.here().clone(), tag.clone());
        self.on_disk(move |inner| match inner.repositories.resolve(&here, &tag)? {
            Some(digest) => inner.kept(&here, &digest),
            None => Ok(None),
        })
        .await
    }

    async fn newest(&self, image: &Reference, known: Option<Digest>) -> Result<Newest> {
        let login = self.login(image).await?;
        let remote = RemoteImage { reference: image, login: login.as_ref() };
        let documents = &self.inner.documents;
        let newest = documents.newest(remote, known).await;
        let (digest, bytes, content_type) = newest.map_err(|fault| documents.link.report(fault, remote))?;
        Ok(Newest { digest, bytes, content_type, image: image.familiar() })
    }

    async fn keep(&self, origin: &Origin, tag: Option<&Tag>, newest: Newest) -> Result<Found> {
        let (here, tag) = (origin.here().clone(), tag.cloned());
        self.on_disk(move |inner| {
            let repositories = &inner.repositories;
            let Newest { digest, bytes, content_type, image } = newest;
            let known = repositories.media_type(&here, &digest)?;
            let media_type = content_type.or_else(|| known.clone()).or_else(|| by_looks(&bytes));
            let read = Manifest::read(&bytes, media_type.as_deref()).map_err(|fault| {
                tracing::debug!(?fault, %image, "registry: a manifest is not kept");
                Error::new(Code::ImagePullError, format!("`{image}` is of no kind that this registry keeps"))
                    .hint("pull it from its own registry")
            })?;
            inner.note_sizes(&read.needs);
            let _settled = repositories.adding();
            inner.store.put_blob(&digest, &bytes)?;
            if known.is_none() {
                repositories.add_manifest(&here, &digest, read.media_type, read.subject.as_ref())?;
            }
            if let Some(tag) = tag
                && repositories.resolve(&here, &tag)?.as_ref() != Some(&digest)
            {
                repositories.set_tag(&here, &tag, &digest)?;
            }
            Ok(Found { digest, media_type: read.media_type.to_owned(), bytes, stale: None })
        })
        .await
    }
}

impl Inner {
    fn kept(&self, here: &mirage_core::Repository, digest: &Digest) -> Result<Option<Found>> {
        let Some(media_type) = self.repositories.media_type(here, digest)? else { return Ok(None) };
        let Some(bytes) = self.store.blob(digest, manifest::MAX_BYTES)? else { return Ok(None) };
        if let Ok(read) = Manifest::read(&bytes, Some(&media_type)) {
            self.note_sizes(&read.needs);
        }
        Ok(Some(Found { digest: digest.clone(), media_type, bytes: bytes.into(), stale: None }))
    }

    fn note_sizes(&self, needs: &Needs) {
        let Needs::Blobs(blobs) = needs else { return };
        let mut sizes = self.sizes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if sizes.len() + blobs.len() > MAX_SIZES {
            sizes.clear();
        }
        sizes.extend(blobs.iter().take(MAX_SIZES).map(|blob| (blob.digest.clone(), blob.size)));
    }
}

/// What an origin answered.
struct Newest {
    digest: Digest,
    bytes: Bytes,
    content_type: Option<String>,
    image: String,
}

fn stale(known: Option<Found>, host: &RegistryHost, code: Code) -> Result<Found> {
    let known =
        known.ok_or_else(|| Error::internal("answer from what is kept", anyhow::anyhow!("nothing is")))?;
    let why = match code {
        Code::RegistryRateLimited => "asks to slow down",
        Code::RegistryUnreachable => "does not answer",
        _ => "is in trouble",
    };
    Ok(Found {
        stale: Some(format!("{host} {why}: this is what the tag meant when it was last seen")),
        ..known
    })
}

/// The media type of a manifest that does not state it, as the image-spec allows.
fn by_looks(bytes: &[u8]) -> Option<String> {
    let document: Value = serde_json::from_slice(bytes).ok()?;
    if let Some(stated) = document["mediaType"].as_str() {
        return Some(stated.to_owned());
    }
    let looks = if document["manifests"].is_array() { manifest::OCI_INDEX } else { manifest::OCI_IMAGE };
    Some(looks.to_owned())
}
