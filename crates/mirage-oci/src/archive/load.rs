//! From an archive into the registry of a platform.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use mirage_core::port::Progress;
use mirage_core::{Digest, Error, Reference, Repository, Result};
use tokio::task::spawn_blocking;

use super::bundle::{Blob, Bundle, Named};
use super::error::no_images;
use super::names::{Place, Rename, places};
use super::read::Archive;
use super::{docker, oci};
use crate::client::PlatformRegistry;
use crate::pull::Tally;

/// How many blobs are asked for, or sent, at a time.
const AT_A_TIME: usize = 4;

/// An image that is in the registry now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// How it is named there.
    pub reference: Reference,
    /// The digest of its manifest or index.
    pub digest: Digest,
}

/// Pushes the images of an archive. Blobs that are there already are not sent; tags come last.
///
/// # Errors
/// `INVALID_REQUEST` where it has no images, or names of which nothing can be made; `IMAGE_PULL_ERROR`
/// where a digest is wrong or something is missing; what the registry answers. Nothing has a name then.
pub async fn load(
    archive: Archive,
    rename: Option<Rename>,
    registry: &PlatformRegistry,
    progress: &dyn Progress,
) -> Result<Vec<Loaded>> {
    let found = spawn_blocking(move || {
        let images = images(&archive)?;
        let places = places(archive.name(), &images, rename.as_ref())?;
        Ok::<_, Error>((images, places))
    });
    let (images, places) = found.await.map_err(|cause| Error::internal("read an archive", cause))??;
    Box::pin(push_blobs(&images, &places, registry, progress)).await?;
    for place in &places {
        push_documents(&images[place.image].image, place, registry).await?;
    }
    let mut loaded = Vec::new();
    for place in &places {
        let Some(top) = images[place.image].image.documents.last() else { continue };
        let (repository, tag) = (&place.repository, place.tag.as_ref());
        registry.put_manifest(repository, tag, &top.digest, top.media_type, top.bytes.clone()).await?;
        let reference = registry.reference(repository, tag, &top.digest);
        loaded.push(Loaded { reference, digest: top.digest.clone() });
    }
    Ok(loaded)
}

/// What an archive has, by what it is. Blocks.
pub(super) fn images(archive: &Archive) -> Result<Vec<Named>> {
    let images = match archive.has(oci::INDEX) {
        true => oci::images(archive)?,
        false => docker::images(archive)?,
    };
    match images.is_empty() {
        true => Err(no_images(archive.name(), "it has none")),
        false => Ok(images),
    }
}

/// Brings every blob into every repository that needs it: over the wire once, from there on within the registry.
async fn push_blobs(
    images: &[Named],
    places: &[Place],
    registry: &PlatformRegistry,
    progress: &dyn Progress,
) -> Result<()> {
    let needed = needed(images, places);
    let total = needed.len();
    let asking: Vec<_> = needed.into_iter().map(|(to, blob)| ask(registry, to, blob)).collect();
    let answers: Vec<_> = stream::iter(asking).buffered(AT_A_TIME).try_collect().await?;
    let Moves { sent, taken } = Moves::after(&answers);
    let moving = sent.iter();
    let moving = moving.map(|(_, blob, count)| (blob.digest.clone(), blob.content.size(), Arc::clone(count)));
    let tally = Tally::new(total, moving.collect());
    let sending: Vec<_> =
        sent.iter().map(|(to, blob, count)| push_blob(registry, to, blob, None, count)).collect();
    let work = stream::iter(sending).buffer_unordered(AT_A_TIME).try_collect::<()>();
    tally.report_while(progress, work).await?;
    let uncounted = Arc::default();
    let taking: Vec<_> =
        taken.iter().map(|(to, blob, from)| push_blob(registry, to, blob, Some(from), &uncounted)).collect();
    stream::iter(taking).buffer_unordered(AT_A_TIME).try_collect().await
}

/// Every blob with every repository that needs it, each pair once.
fn needed<'a>(images: &'a [Named], places: &'a [Place]) -> Vec<(&'a Repository, &'a Blob)> {
    let mut seen = HashSet::new();
    places
        .iter()
        .flat_map(|place| images[place.image].image.blobs.iter().map(move |blob| (&place.repository, blob)))
        .filter(|(to, blob)| seen.insert((*to, &blob.digest)))
        .collect()
}

/// What is to be done after the registry has been asked.
struct Moves<'a> {
    /// Blobs that are sent, with how much of them has left; the largest first, so that no large one is left to
    /// move alone at the end.
    sent: Vec<(&'a Repository, &'a Blob, Arc<AtomicU64>)>,
    /// Blobs that are taken from another repository then.
    taken: Vec<(&'a Repository, &'a Blob, &'a Repository)>,
}

impl<'a> Moves<'a> {
    fn after(answers: &[(bool, &'a Repository, &'a Blob)]) -> Self {
        let there = answers.iter().filter(|(there, ..)| *there);
        let mut at: HashMap<&Digest, &'a Repository> =
            there.map(|(_, to, blob)| (&blob.digest, *to)).collect();
        let (mut sent, mut taken) = (Vec::new(), Vec::new());
        for (_, to, blob) in answers.iter().filter(|(there, ..)| !there) {
            match at.get(&blob.digest) {
                Some(from) => taken.push((*to, *blob, *from)),
                None => {
                    at.insert(&blob.digest, to);
                    sent.push((*to, *blob, Arc::default()));
                }
            }
        }
        sent.sort_by_key(|(_, blob, _)| std::cmp::Reverse(blob.content.size()));
        Self { sent, taken }
    }
}

async fn ask<'a>(
    registry: &PlatformRegistry,
    to: &'a Repository,
    blob: &'a Blob,
) -> Result<(bool, &'a Repository, &'a Blob)> {
    Ok((registry.has_blob(to, &blob.digest).await?, to, blob))
}

async fn push_blob(
    registry: &PlatformRegistry,
    to: &Repository,
    blob: &Blob,
    from: Option<&Repository>,
    sent: &Arc<AtomicU64>,
) -> Result<()> {
    registry.put_blob(to, &blob.digest, &blob.content, from, sent).await
}

/// What an index names, each after what it needs itself.
async fn push_documents(image: &Bundle, place: &Place, registry: &PlatformRegistry) -> Result<()> {
    let Some((_, below)) = image.documents.split_last() else { return Ok(()) };
    for document in below {
        let (digest, bytes) = (&document.digest, document.bytes.clone());
        registry.put_manifest(&place.repository, None, digest, document.media_type, bytes).await?;
    }
    Ok(())
}
