//! Taking images away from the built-in registry.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use mirage_core::port::Spared;
use mirage_core::{Code, Digest, Error, EventKind, Reference, Repository, ResolvedImage, Result, Tag};
use mirage_store::{KeptImage, ServicePath};

use crate::Control;
use crate::access::{Action, Actor};
use crate::images::KEPT_REVISIONS;

/// The tag that is meant where none is written.
const LATEST: &str = "latest";
/// Services that a refusal names.
const NAMED: usize = 3;
/// How long what was pushed may wait for the index or the tag that names it.
const PUSH_TAKES: SignedDuration = SignedDuration::from_hours(24);

/// A tag of the built-in registry, or a whole repository: `acme/web:2`, `acme/web`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldName {
    /// The repository.
    pub repository: Repository,
    /// The tag; without one the repository with all its tags.
    pub tag: Option<Tag>,
}

/// What it means to take something away from the built-in registry.
#[derive(Clone, Debug)]
pub struct Removal {
    /// What.
    pub name: HeldName,
    /// How many manifests and indexes go with it: what nothing means any more, with what no tag meant before. None where
    /// another tag means the same image.
    pub manifests: usize,
    /// The services that are set to an image that would be gone, or are being deployed with one: they find none.
    pub used_by: Vec<ServicePath>,
    /// Revisions with such an image, by service, the newest first. Their bytes stay on this machine as long as the
    /// service keeps the revision; one that was never brought here cannot be started any more.
    pub kept: Vec<KeptImage>,
}

impl FromStr for HeldName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.contains('@') {
            let message = format!("`{text}` names a digest, and a tag or a repository is removed");
            return Err(Error::new(Code::InvalidImageReference, message)
                .field("image")
                .hint("name the tag, such as `acme/web:2`; what no tag means any more goes with it, a day after its push"));
        }
        let at = |error: Error| error.field("image");
        // What a slash follows is the port of another registry.
        Ok(match text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
            Some((repository, tag)) => {
                Self { repository: repository.parse().map_err(at)?, tag: Some(tag.parse().map_err(at)?) }
            }
            None => Self { repository: text.parse().map_err(at)?, tag: None },
        })
    }
}

impl fmt::Display for HeldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tag {
            Some(tag) => write!(f, "{}:{tag}", self.repository),
            None => write!(f, "{}", self.repository),
        }
    }
}

impl Control {
    /// The name of something in the built-in registry, with or without the registry's own in front of it.
    ///
    /// # Errors
    /// `INVALID_IMAGE_REFERENCE` where it cannot be read.
    pub fn held_name(&self, text: &str) -> Result<HeldName> {
        let own = self
            .registry_hosts()
            .into_iter()
            .find_map(|host| text.strip_prefix(host.as_str())?.strip_prefix('/'));
        own.unwrap_or(text).parse()
    }

    /// What it would mean to take something away. Changes nothing.
    ///
    /// # Errors
    /// `NOT_FOUND` where the built-in registry does not have it.
    pub async fn image_removal(&self, actor: &Actor, name: &HeldName) -> Result<Removal> {
        self.allow(actor, Action::Read)?;
        self.allow(actor, Action::RemoveImages(&name.repository))?;
        self.weigh(name, &self.spared(name).await?).await
    }

    /// Takes a tag away from the built-in registry with the images that nothing there means any more, or a repository
    /// with all it has. What runs goes on; bytes that no kept revision needs are freed within a day or so.
    ///
    /// # Errors
    /// `NOT_FOUND` where it is not there, `CONFLICT` where services are set to it, unless `even_if_used`.
    pub async fn remove_images(&self, actor: &Actor, name: &HeldName, even_if_used: bool) -> Result<Removal> {
        self.allow(actor, Action::Read)?;
        self.allow(actor, Action::RemoveImages(&name.repository))?;
        let spared = self.spared(name).await?;
        let removal = self.weigh(name, &spared).await?;
        if !removal.used_by.is_empty() && !even_if_used {
            return Err(used(&removal));
        }
        // Before the files: nothing is gone of which nobody can say who took it.
        let kind = EventKind::ImagesRemoved {
            repository: name.repository.to_string(),
            tag: name.tag.as_ref().map(ToString::to_string),
            manifests: removal.manifests,
        };
        let mut tx = self.parts.store.begin().await?;
        tx.append(actor.event(self.parts.clock.now(), None, kind)).await?;
        self.parts.announce(tx.commit().await?);
        let gone = self.parts.registry.remove_held(&name.repository, name.tag.as_ref(), &spared).await?;
        let manifests = gone.ok_or_else(|| not_held(name))?.len();
        Ok(Removal { manifests, ..removal })
    }

    /// What stays although no tag means it: whatever a service names by its digest or may go back to, and what a push
    /// that goes on may still come to name.
    async fn spared(&self, name: &HeldName) -> Result<Spared> {
        let mut needed = HashSet::new();
        for user in self.parts.store.image_users().await? {
            needed.extend(user.image.digest().filter(|_| self.is_from(name, &user.image)).cloned());
        }
        for kept in self.parts.store.kept_images(KEPT_REVISIONS, &name.repository).await? {
            if self.is_from(name, &kept.image.reference) {
                needed.extend([kept.image.digest, kept.image.manifest]);
            }
        }
        Ok(Spared { needed, pushed_since: self.parts.clock.now() - PUSH_TAKES })
    }

    async fn weigh(&self, name: &HeldName, spared: &Spared) -> Result<Removal> {
        let gone = self.parts.registry.doomed(&name.repository, name.tag.as_ref(), spared).await?;
        let gone: HashSet<Digest> = gone.ok_or_else(|| not_held(name))?.into_iter().collect();
        let mut used_by = Vec::new();
        for user in self.parts.store.image_users().await? {
            if self.is_lost(name, &gone, &user.image) {
                used_by.push(user.path);
            }
        }
        let mut kept = self.parts.store.kept_images(KEPT_REVISIONS, &name.repository).await?;
        kept.retain(|kept| self.is_of(name, &gone, &kept.image));
        for moving in kept.iter().filter(|kept| kept.moving) {
            if !used_by.contains(&moving.path) {
                used_by.push(moving.path.clone());
            }
        }
        Ok(Removal { name: name.clone(), manifests: gone.len(), used_by, kept })
    }

    /// Does something that takes links away from images while none is brought or started; answers with nothing, and does
    /// nothing, where one is just now.
    pub async fn while_images_rest<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let _alone = self.parts.images_in_motion.try_write().ok()?;
        Some(work.await)
    }

    /// Whether a deploy of this reference would find nothing any more.
    fn is_lost(&self, name: &HeldName, gone: &HashSet<Digest>, image: &Reference) -> bool {
        if !self.is_from(name, image) {
            return false;
        }
        match (&name.tag, image.digest()) {
            (None, _) => true,
            (Some(_), Some(digest)) => gone.contains(digest),
            (Some(tag), None) => image.tag().map_or(LATEST, Tag::as_str) == tag.as_str(),
        }
    }

    /// Whether an image that was resolved is one of those that go.
    fn is_of(&self, name: &HeldName, gone: &HashSet<Digest>, image: &ResolvedImage) -> bool {
        self.is_from(name, &image.reference)
            && (gone.contains(&image.digest) || gone.contains(&image.manifest))
    }

    fn is_from(&self, name: &HeldName, image: &Reference) -> bool {
        self.is_own(image) && *image.repository() == name.repository
    }
}

fn not_held(name: &HeldName) -> Error {
    Error::new(Code::NotFound, format!("the built-in registry has no `{name}`"))
        .field("image")
        .hint("`mirage image list` shows what it has")
}

fn used(removal: &Removal) -> Error {
    let names: Vec<_> = removal.used_by.iter().take(NAMED).map(|path| format!("`{}`", path.name)).collect();
    let rest = match removal.used_by.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (name, users) = (&removal.name, names.join(", "));
    Error::new(Code::Conflict, format!("`{name}` is the image of {users}{rest}")).hint(format!(
        "their deployments would find no image: give them another one first, or `mirage image remove {name} --force`"
    ))
}
