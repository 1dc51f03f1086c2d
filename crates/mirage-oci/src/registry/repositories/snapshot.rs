//! The repositories as one value, on its way to another machine.

use std::collections::{BTreeMap, BTreeSet};

use mirage_core::{Code, Digest, Error, Repository, Result, Tag};
use serde::{Deserialize, Serialize};

use super::{BLOBS, MANIFESTS, REFERRERS, Repositories, unreadable, walk};

/// What every repository holds, by name. The bytes are in the content store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RegistrySnapshot(pub BTreeMap<Repository, RepositorySnapshot>);

/// What one repository holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RepositorySnapshot {
    /// What each tag means.
    pub tags: BTreeMap<Tag, Digest>,
    /// The manifests with their media types.
    pub manifests: BTreeMap<Digest, String>,
    /// The blobs that can be read through it.
    pub blobs: BTreeSet<Digest>,
    /// Manifests that refer to another one, by that.
    pub referrers: BTreeMap<Digest, BTreeSet<Digest>>,
}

impl RegistrySnapshot {
    /// Every blob that is needed, manifests among them.
    pub fn content(&self) -> BTreeSet<Digest> {
        let all = self.0.values();
        all.flat_map(|one| one.manifests.keys().chain(&one.blobs)).cloned().collect()
    }
}

impl Repositories {
    /// Everything that is here at this moment; no push changes it meanwhile.
    pub fn snapshot(&self) -> Result<RegistrySnapshot> {
        let _alone = self.removing();
        let mut all = RegistrySnapshot::default();
        for repository in walk::all(self.files.root()).map_err(unreadable)? {
            let found = self.snapshot_of(&repository)?;
            all.0.insert(repository, found);
        }
        Ok(all)
    }

    /// Adds everything of a snapshot. Its content has to be in the content store.
    ///
    /// # Errors
    /// `INVALID_REQUEST` where a media type is none; what was added before stays.
    pub fn restore(&self, snapshot: &RegistrySnapshot) -> Result<()> {
        let _adding = self.adding();
        for (repository, held) in &snapshot.0 {
            for blob in &held.blobs {
                self.link_blob(repository, blob)?;
            }
            let mut subjects: BTreeMap<&Digest, Vec<&Digest>> = BTreeMap::new();
            for (subject, referrers) in &held.referrers {
                referrers.iter().for_each(|manifest| subjects.entry(manifest).or_default().push(subject));
            }
            for (manifest, media_type) in &held.manifests {
                check(media_type)?;
                self.add_manifest(repository, manifest, media_type, None)?;
                for subject in subjects.get(manifest).into_iter().flatten() {
                    self.add_manifest(repository, manifest, media_type, Some(subject))?;
                }
            }
            for (tag, to) in &held.tags {
                self.set_tag(repository, tag, to)?;
            }
        }
        Ok(())
    }

    fn snapshot_of(&self, repository: &Repository) -> Result<RepositorySnapshot> {
        let home = self.home(repository);
        let mut held = RepositorySnapshot {
            blobs: walk::digests(&home.join(BLOBS)).map_err(unreadable)?.into_iter().collect(),
            ..RepositorySnapshot::default()
        };
        for tag in self.tags(repository)?.unwrap_or_default() {
            if let Some(to) = self.resolve(repository, &tag)? {
                held.tags.insert(tag, to);
            }
        }
        for manifest in walk::digests(&home.join(MANIFESTS)).map_err(unreadable)? {
            if let Some(media_type) = self.media_type(repository, &manifest)? {
                held.manifests.insert(manifest, media_type);
            }
        }
        for subject in walk::folders_of_digests(&home.join(REFERRERS)).map_err(unreadable)? {
            let referrers = self.referrers(repository, &subject)?;
            held.referrers.insert(subject, referrers.into_iter().collect());
        }
        Ok(held)
    }
}

/// A media type goes into a file of its own and into headers of answers.
fn check(media_type: &str) -> Result<()> {
    let fit = |byte: u8| byte.is_ascii_graphic();
    if (1..=255).contains(&media_type.len()) && media_type.bytes().all(fit) {
        return Ok(());
    }
    Err(Error::new(Code::InvalidRequest, "a manifest of the registry has a media type that is none")
        .hint("take another backup"))
}
