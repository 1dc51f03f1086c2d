//! What goes when somebody takes away a tag, or a whole repository.

use mirage_core::port::Spared;
use mirage_core::{Digest, Repository, Result, Tag};

use super::Repositories;
use super::manifest::{MAX_BYTES, Manifest, Needs};
use super::repositories::Bonds;
use crate::content::ContentStore;

/// The manifests that nothing in the repository means any more without the tag, or all of them where none is named; what
/// is spared stays where no tag means it. `None` where there is no such thing. Changes nothing; blocks.
///
/// # Errors
/// Where the disk cannot be read.
pub fn doomed(
    store: &ContentStore,
    repositories: &Repositories,
    repository: &Repository,
    tag: Option<&Tag>,
    spared: &Spared,
) -> Result<Option<Vec<Digest>>> {
    repositories.doomed(repository, tag, spared, |manifest, kind| bonds(store, manifest, kind))
}

/// Takes it away, and answers with the manifests that went. Blocks.
///
/// # Errors
/// Where the disk cannot be read or written; what went by then is gone.
pub fn take_away(
    store: &ContentStore,
    repositories: &Repositories,
    repository: &Repository,
    tag: Option<&Tag>,
    spared: &Spared,
) -> Result<Option<Vec<Digest>>> {
    let gone =
        repositories.take_away(repository, tag, spared, |manifest, kind| bonds(store, manifest, kind))?;
    if let Some(gone) = &gone {
        let tag = tag.map_or("all tags", Tag::as_str);
        tracing::info!(%repository, tag, manifests = gone.len(), "registry: images were removed");
    }
    Ok(gone)
}

/// What a manifest says of others; nothing where it cannot be read.
fn bonds(store: &ContentStore, manifest: &Digest, kind: &str) -> Bonds {
    let bytes = store.blob(manifest, MAX_BYTES).ok().flatten();
    let Some(read) = bytes.and_then(|bytes| Manifest::read(&bytes, Some(kind)).ok()) else {
        return Bonds::default();
    };
    let children = match read.needs {
        Needs::Manifests(named) => named.into_iter().map(|child| child.digest).collect(),
        Needs::Blobs(_) => Vec::new(),
    };
    Bonds { children, subject: read.subject }
}
