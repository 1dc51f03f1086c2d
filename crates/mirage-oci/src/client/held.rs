//! What the built-in registry holds, for somebody who looks at it.

use mirage_core::port::{HeldRepository, HeldTag};
use mirage_core::{Digest, Platform, Repository, Result, Tag, TagListing};

use super::local::OwnRegistry;
use super::manifest::Document;
use super::options::MAX_MANIFEST_BYTES;
use crate::content::ContentStore;

/// Tags of a repository that are looked at: each is a file to read.
const TAGS_MAX: usize = 5;

/// The repositories that follow `after`, at most `limit`. Reads files.
pub(super) fn held(
    own: &OwnRegistry,
    store: &ContentStore,
    platform: &Platform,
    after: Option<&Repository>,
    limit: usize,
) -> Result<Vec<HeldRepository>> {
    let names = own.repositories.list()?;
    let wanted = names.into_iter().filter(|name| after.is_none_or(|after| name > after)).take(limit);
    wanted.map(|repository| one(own, store, platform, repository)).collect()
}

fn one(
    own: &OwnRegistry,
    store: &ContentStore,
    platform: &Platform,
    repository: Repository,
) -> Result<HeldRepository> {
    let all = TagListing::new(own.repositories.tags(&repository)?.unwrap_or_default(), false).tags;
    let tag_count = all.len();
    let mut tags = Vec::new();
    for tag in all.into_iter().take(TAGS_MAX) {
        // One that was taken away a moment ago is not there.
        if let Some(digest) = own.repositories.resolve(&repository, &tag)? {
            tags.push(sized(store, platform, tag, digest));
        }
    }
    Ok(HeldRepository { repository, tags, tag_count })
}

fn sized(store: &ContentStore, platform: &Platform, tag: Tag, digest: Digest) -> HeldTag {
    let read = |digest: &Digest| {
        let bytes = store.blob(digest, MAX_MANIFEST_BYTES).ok().flatten()?;
        Document::read(&bytes, None).ok()
    };
    let image = match read(&digest) {
        Some(Document::Index(index)) => {
            let chosen = index.choose(platform).map(|entry| entry.manifest.digest.clone());
            chosen.and_then(|digest| read(&digest))
        }
        other => other,
    };
    let size_bytes = match image {
        Some(Document::Image(image)) => Some(image.size_bytes()),
        _ => None,
    };
    HeldTag { tag, digest, size_bytes }
}
