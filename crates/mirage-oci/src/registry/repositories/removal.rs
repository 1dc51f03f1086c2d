//! Taking a tag away with the manifests that nothing means any more, or a whole repository.

use std::collections::{HashMap, HashSet};
use std::fs;

use jiff::Timestamp;
use mirage_core::port::Spared;
use mirage_core::{Digest, Repository, Result, Tag};

use super::{Repositories, unreadable};

/// What a manifest says that decides about others.
#[derive(Clone, Debug, Default)]
pub(in crate::registry) struct Bonds {
    /// The manifests that an index names.
    pub(in crate::registry) children: Vec<Digest>,
    /// The manifest that it is about.
    pub(in crate::registry) subject: Option<Digest>,
}

impl Repositories {
    /// The manifests that nothing in the repository means any more once a tag is gone; all of them where no tag is named.
    /// What the tag means comes first, and nothing before that by which it was found. `None` where there is no such tag or
    /// repository. `read` answers with what a manifest says, given its media type.
    ///
    /// What was said about a manifest, such as a signature, goes with it. A manifest that another tag means stays, and so
    /// does one that an index names which stays. Those that no tag meant before go too, but for what is spared.
    pub(in crate::registry) fn doomed(
        &self,
        repository: &Repository,
        tag: Option<&Tag>,
        spared: &Spared,
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
        let mut waiting = vec![meant.clone()];
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
        // Of the rest stays what somebody means or needs, with what belongs to it.
        let mut stays: HashSet<Digest> = HashSet::new();
        for manifest in manifests.iter().filter(|it| **it != meant && !tagged.contains(*it)) {
            if spared.needed.contains(manifest) || self.is_new(repository, manifest, spared.pushed_since)? {
                waiting.push(manifest.clone());
            }
        }
        waiting.extend(tagged);
        while let Some(manifest) = waiting.pop() {
            if gone.contains(&manifest) || !stays.insert(manifest.clone()) {
                continue;
            }
            waiting.extend(self.referrers(repository, &manifest)?);
            waiting.extend(children.get(&manifest).into_iter().flatten().cloned());
        }
        let rest: Vec<Digest> =
            manifests.iter().filter(|it| !stays.contains(*it) && !gone.contains(it)).cloned().collect();
        gone.extend(rest);
        Ok(Some(gone))
    }

    /// Takes a tag away with what it dooms, or a whole repository; answers with the manifests that went. Blobs that no
    /// manifest names any more go like those of pushes that never finished.
    ///
    /// Whatever is killed half way can be asked for again: of a tag, that by which the others were found goes last, and of
    /// a repository there are manifests until it is done.
    pub(in crate::registry) fn take_away(
        &self,
        repository: &Repository,
        tag: Option<&Tag>,
        spared: &Spared,
        read: impl Fn(&Digest, &str) -> Bonds,
    ) -> Result<Option<Vec<Digest>>> {
        let _alone = self.removing();
        let Some(gone) = self.doomed(repository, tag, spared, &read)? else { return Ok(None) };
        if tag.is_none() {
            for tag in self.tags(repository)?.unwrap_or_default() {
                self.remove_tag(repository, &tag)?;
            }
        }
        for manifest in gone.iter().rev() {
            let kind = self.media_type(repository, manifest)?;
            let subject = kind.and_then(|kind| read(manifest, &kind).subject);
            self.forget_manifest(repository, manifest, subject.as_ref())?;
        }
        if let Some(tag) = tag {
            self.remove_tag(repository, tag)?;
        }
        self.check_name(repository)?;
        Ok(Some(gone))
    }

    /// Whether a manifest was pushed at that time or later.
    fn is_new(&self, repository: &Repository, manifest: &Digest, since: Timestamp) -> Result<bool> {
        let pushed = fs::metadata(self.manifest_file(repository, manifest)).and_then(|it| it.modified());
        let pushed = pushed.map_err(unreadable)?;
        Ok(Timestamp::try_from(pushed).is_ok_and(|pushed| pushed >= since))
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
