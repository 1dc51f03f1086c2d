//! Taking a tag away with the manifests that nothing means any more, or a whole repository.

use std::collections::{HashMap, HashSet};

use mirage_core::{Digest, Repository, Result, Tag};

use super::Repositories;

/// What a manifest says that decides about others.
#[derive(Clone, Debug, Default)]
pub(in crate::registry) struct Bonds {
    /// The manifests that an index names.
    pub(in crate::registry) children: Vec<Digest>,
    /// The manifest that it is about.
    pub(in crate::registry) subject: Option<Digest>,
}

impl Repositories {
    /// The manifests that nothing in the repository means any more once a tag is gone, each before those it names; all of
    /// them where no tag is named. `None` where there is no such tag or repository. `read` answers with what a manifest
    /// says, given its media type.
    ///
    /// What was said about a manifest, such as a signature, goes with it. A manifest that another tag means stays, and so
    /// does one that an index names which stays.
    pub(in crate::registry) fn doomed(
        &self,
        repository: &Repository,
        tag: Option<&Tag>,
        read: impl Fn(&Digest, &str) -> Bonds,
    ) -> Result<Option<Vec<Digest>>> {
        let manifests = self.manifests(repository)?;
        let Some(tag) = tag else { return Ok(Some(manifests).filter(|all| !all.is_empty())) };
        let Some(meant) = self.resolve(repository, tag)? else { return Ok(None) };
        let mut tagged = HashSet::new();
        for other in self.tags(repository)?.unwrap_or_default().iter().filter(|other| *other != tag) {
            tagged.extend(self.resolve(repository, other)?);
        }
        let children = self.children(repository, &manifests, read)?;
        let held: HashSet<&Digest> = manifests.iter().collect();
        let mut gone: Vec<Digest> = Vec::new();
        let mut waiting = vec![meant];
        while let Some(manifest) = waiting.pop() {
            let named =
                children.iter().any(|(index, named)| !gone.contains(index) && named.contains(&manifest));
            if !held.contains(&manifest) || gone.contains(&manifest) || tagged.contains(&manifest) || named {
                continue;
            }
            waiting.extend(self.referrers(repository, &manifest)?);
            waiting.extend(children.get(&manifest).into_iter().flatten().cloned());
            gone.push(manifest);
        }
        Ok(Some(gone))
    }

    /// Takes a tag away with what it dooms, or a whole repository; answers with the manifests that went. Blobs that no
    /// manifest names any more go like those of pushes that never finished.
    pub(in crate::registry) fn take_away(
        &self,
        repository: &Repository,
        tag: Option<&Tag>,
        read: impl Fn(&Digest, &str) -> Bonds,
    ) -> Result<Option<Vec<Digest>>> {
        let _alone = self.removing();
        let Some(gone) = self.doomed(repository, tag, &read)? else { return Ok(None) };
        let tags = match tag {
            Some(tag) => vec![tag.clone()],
            None => self.tags(repository)?.unwrap_or_default(),
        };
        for tag in &tags {
            self.remove_tag(repository, tag)?;
        }
        for manifest in &gone {
            let kind = self.media_type(repository, manifest)?;
            let subject = kind.and_then(|kind| read(manifest, &kind).subject);
            self.remove_manifest(repository, manifest, subject.as_ref())?;
        }
        Ok(Some(gone))
    }

    /// What the indexes of a repository name.
    fn children(
        &self,
        repository: &Repository,
        manifests: &[Digest],
        read: impl Fn(&Digest, &str) -> Bonds,
    ) -> Result<HashMap<Digest, Vec<Digest>>> {
        let mut children = HashMap::new();
        for manifest in manifests {
            let kind = self.media_type(repository, manifest)?;
            // Only an index names manifests; images are many, and need not be opened for that.
            if let Some(kind) = kind.filter(|kind| kind.contains("index") || kind.contains("list")) {
                children.insert(manifest.clone(), read(manifest, &kind).children);
            }
        }
        Ok(children)
    }
}
