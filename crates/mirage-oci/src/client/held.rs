//! What the built-in registry holds, for somebody who looks at it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use mirage_core::port::{HeldRepository, HeldTag};
use mirage_core::{Digest, Platform, Repository, Result, Tag, TagListing};

use super::local::OwnRegistry;
use super::manifest::Document;
use super::options::MAX_MANIFEST_BYTES;
use crate::content::ContentStore;

/// Tags of a repository that are looked at among others: each is a file to read.
const TAGS_MAX: usize = 5;
/// Sizes that are remembered: those of a thousand repositories with fifty tags each.
const SIZES_MAX: usize = 50_000;

/// Sizes of images by what never changes: the digest, and for whom. `None` is that of an image that is not for it.
#[derive(Default)]
pub(super) struct Sizes(Mutex<HashMap<(Digest, Platform), Option<u64>>>);

impl Sizes {
    /// The size, which `read` finds out where it is not known: `None` from it where that cannot be done.
    fn of(
        &self,
        digest: &Digest,
        platform: &Platform,
        read: impl FnOnce() -> Option<Option<u64>>,
    ) -> Option<u64> {
        let key = (digest.clone(), platform.clone());
        let known = |sizes: &Mutex<HashMap<_, _>>| -> Option<Option<u64>> {
            sizes.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied()
        };
        if let Some(size) = known(&self.0) {
            return size;
        }
        let size = read()?;
        let mut sizes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sizes.len() >= SIZES_MAX {
            sizes.clear();
        }
        sizes.insert(key, size);
        size
    }
}

/// Somebody who looks: at whose images, and for which platform.
pub(super) struct Look<'a> {
    pub(super) own: &'a OwnRegistry,
    pub(super) store: &'a ContentStore,
    pub(super) sizes: &'a Sizes,
    pub(super) platform: &'a Platform,
}

impl Look<'_> {
    /// The repositories that follow `after`, at most `limit`. Reads files.
    pub(super) fn at_all(&self, after: Option<&Repository>, limit: usize) -> Result<Vec<HeldRepository>> {
        let names = self.own.repositories.names_after(after, limit)?;
        names.into_iter().map(|repository| self.at(repository, None, TAGS_MAX)).collect()
    }

    /// One, with the tags that follow `after`, at most `limit`; `None` where there is no such repository. Reads files.
    pub(super) fn at_one(
        &self,
        repository: Repository,
        after: Option<&Tag>,
        limit: usize,
    ) -> Result<Option<HeldRepository>> {
        if self.own.repositories.manifests(&repository)?.is_empty() {
            return Ok(None);
        }
        self.at(repository, after, limit).map(Some)
    }

    fn at(&self, repository: Repository, after: Option<&Tag>, limit: usize) -> Result<HeldRepository> {
        let mut names = self.own.repositories.tags(&repository)?.unwrap_or_default();
        let is_there = after.is_none_or(|after| names.contains(after));
        // One that was taken away meanwhile still has its place.
        names.extend(after.filter(|_| !is_there).cloned());
        let all = TagListing::new(names, false).tags;
        let tag_count = all.len() - usize::from(!is_there);
        let seen = after.and_then(|after| all.iter().position(|tag| tag == after)).map_or(0, |at| at + 1);
        let mut tags = Vec::new();
        for tag in all.into_iter().skip(seen).take(limit) {
            // One that was taken away a moment ago is not there.
            if let Some(digest) = self.own.repositories.resolve(&repository, &tag)? {
                let size_bytes = self.sizes.of(&digest, self.platform, || self.size(&digest));
                tags.push(HeldTag { tag, digest, size_bytes });
            }
        }
        Ok(HeldRepository { repository, tags, tag_count })
    }

    /// Bytes of the layers of an image for the platform, `Some(None)` where it is not for it, `None` where that cannot
    /// be read.
    fn size(&self, digest: &Digest) -> Option<Option<u64>> {
        let read = |digest: &Digest| {
            let bytes = self.store.blob(digest, MAX_MANIFEST_BYTES).ok().flatten()?;
            Document::read(&bytes, None).ok()
        };
        let image = match read(digest)? {
            Document::Index(index) => match index.choose(self.platform) {
                Some(entry) => read(&entry.manifest.digest)?,
                None => return Some(None),
            },
            image => image,
        };
        Some(match image {
            Document::Image(image) => Some(image.size_bytes()),
            Document::Index(_) => None,
        })
    }
}
