//! What the registry needs to keep, for garbage collection by reference.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::time::Duration;

use jiff::Timestamp;
use mirage_core::{Digest, Repository, Result};

use super::{BLOBS, MANIFESTS, Repositories, digest_path, unreadable, walk};

/// Everything that a repository holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// The manifests, tagged or not.
    pub manifests: HashSet<Digest>,
    /// The blobs, also those of a push whose manifest has not arrived yet.
    pub blobs: HashSet<Digest>,
}

impl Repositories {
    /// Calls `collect` with everything that must be kept, while no push can add to it: what
    /// `collect` removes from the content store is needed by no repository, now and after.
    pub fn while_settled<T>(&self, collect: impl FnOnce(&References) -> T) -> Result<T> {
        let _alone = self.removing();
        Ok(collect(&self.references()?))
    }

    /// Everything that a repository holds at this moment.
    pub fn references(&self) -> Result<References> {
        let mut references = References::default();
        for repository in walk::all(self.files.root()).map_err(unreadable)? {
            let home = self.home(&repository);
            references.manifests.extend(walk::digests(&home.join(MANIFESTS)).map_err(unreadable)?);
            references.blobs.extend(walk::digests(&home.join(BLOBS)).map_err(unreadable)?);
        }
        Ok(references)
    }

    /// Takes from each repository the blobs that none of its manifests names and that were linked
    /// before `older_than` ago: leftovers of pushes that never finished. `named_by` answers with
    /// the blobs a manifest names; where it cannot, nothing of that repository is touched.
    pub fn drop_unnamed_blobs(
        &self,
        now: Timestamp,
        older_than: Duration,
        named_by: impl Fn(&Repository, &Digest) -> Option<Vec<Digest>>,
    ) -> Result<u64> {
        let _alone = self.removing();
        let mut dropped = 0;
        let mut known: HashMap<Digest, Option<Vec<Digest>>> = HashMap::new();
        for repository in walk::all(self.files.root()).map_err(unreadable)? {
            let manifests = walk::digests(&self.home(&repository).join(MANIFESTS)).map_err(unreadable)?;
            let mut named = HashSet::new();
            let all_read = manifests.into_iter().all(|manifest| {
                let blobs = known.entry(manifest.clone()).or_insert_with(|| named_by(&repository, &manifest));
                named.extend(blobs.iter().flatten().cloned());
                blobs.is_some()
            });
            if all_read {
                dropped += self.drop_old_links(&repository, &named, now, older_than)?;
            }
        }
        Ok(dropped)
    }

    fn drop_old_links(
        &self,
        repository: &Repository,
        named: &HashSet<Digest>,
        now: Timestamp,
        older_than: Duration,
    ) -> Result<u64> {
        let folder = self.home(repository).join(BLOBS);
        let mut dropped = 0;
        for blob in walk::digests(&folder).map_err(unreadable)? {
            let linked =
                fs::metadata(digest_path(&folder, &blob)).and_then(|it| it.modified()).map_err(unreadable)?;
            let old = Timestamp::try_from(linked)
                .is_ok_and(|linked| now.duration_since(linked).unsigned_abs() > older_than && now > linked);
            if old && !named.contains(&blob) && self.unlink_blob(repository, &blob)? {
                dropped += 1;
            }
        }
        Ok(dropped)
    }
}
