//! Where images come from, and where they are kept.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::credential::Login;
use crate::error::Result;
use crate::image::attachments::Attachments;
use crate::image::digest::Digest;
use crate::image::platform::Platform;
use crate::image::quota::Quota;
use crate::image::reference::{Reference, Repository, Tag};
use crate::image::resolved::ResolvedImage;
use crate::image::stock::Stock;
use crate::image::tags::TagListing;

/// Registries: what a reference means right now.
#[async_trait]
pub trait Registry: Send + Sync {
    /// Tag to digest, platform chosen, configuration read. Transfers no layer and writes nothing.
    /// Without a `login` the registry is asked as anybody.
    async fn resolve(
        &self,
        reference: &Reference,
        platform: &Platform,
        login: Option<&Login>,
    ) -> Result<ResolvedImage>;

    /// The same for somebody who only looks, with what a deploy has no use for. Costs more requests
    /// and not more round trips; what cannot be found out beside the image itself is unknown, and no error.
    async fn inspect(
        &self,
        reference: &Reference,
        platform: &Platform,
        login: Option<&Login>,
    ) -> Result<Sighting> {
        let image = self.resolve(reference, platform, login).await?;
        Ok(Sighting { image, attachments: Attachments::default(), quota: None })
    }

    /// The tags of the image's repository, as far as they can be read quickly.
    async fn tags(&self, reference: &Reference, login: Option<&Login>) -> Result<TagListing>;

    /// What the built-in registry holds: the repositories that follow `after`, by name, at most `limit`, with sizes of
    /// their images for `platform`. Without a built-in registry there are none.
    async fn held(
        &self,
        _platform: &Platform,
        _after: Option<&Repository>,
        _limit: usize,
    ) -> Result<Vec<HeldRepository>> {
        Ok(Vec::new())
    }

    /// A repository of the built-in registry with the tags that follow `after`, in the order of [`TagListing`], at most
    /// `limit` of them. `None` where there is no such repository.
    async fn held_in(
        &self,
        _platform: &Platform,
        _repository: &Repository,
        _after: Option<&Tag>,
        _limit: usize,
    ) -> Result<Option<HeldRepository>> {
        Ok(None)
    }

    /// What would go with a tag of the built-in registry, or with a whole repository where none is named: the manifests
    /// and indexes that nothing there means any more then, also those that no tag meant before, but for `spared`. `None`
    /// where there is no such thing. Changes nothing.
    async fn doomed(
        &self,
        _repository: &Repository,
        _tag: Option<&Tag>,
        _spared: &Spared,
    ) -> Result<Option<Vec<Digest>>> {
        Ok(None)
    }

    /// Takes it away, and answers with what went. Its bytes stay until images are collected, and as long as a revision
    /// needs them.
    async fn remove_held(
        &self,
        _repository: &Repository,
        _tag: Option<&Tag>,
        _spared: &Spared,
    ) -> Result<Option<Vec<Digest>>> {
        Ok(None)
    }

    /// Shows a login to its registry.
    ///
    /// # Errors
    /// `REGISTRY_AUTH_ERROR` where it is not accepted.
    async fn check_login(&self, login: &Login) -> Result<LoginCheck>;
}

/// A repository of the built-in registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRepository {
    /// Its name.
    pub repository: Repository,
    /// Its first tags, in the order of [`TagListing`].
    pub tags: Vec<HeldTag>,
    /// How many it has.
    pub tag_count: usize,
}

/// A tag of the built-in registry, and what it means now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldTag {
    /// The tag.
    pub tag: Tag,
    /// The manifest or index.
    pub digest: Digest,
    /// Bytes of its layers as they are transferred; `None` where the image is not for the platform, or is none.
    pub size_bytes: Option<u64>,
}

/// Images that stay in the built-in registry although no tag means them, when another tag is taken away.
#[derive(Clone, Debug)]
pub struct Spared {
    /// Manifests and indexes that somebody needs by their digest.
    pub needed: HashSet<Digest>,
    /// What was pushed since then: a push that goes on has no tag yet.
    pub pushed_since: Timestamp,
}

/// What a registry says to a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginCheck {
    /// It is taken.
    Accepted,
    /// The registry lets everybody in, and looks at no password.
    NotAsked,
}

/// An image as somebody sees it who looks at it in its registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The image, pinned.
    pub image: ResolvedImage,
    /// What hangs on it.
    pub attachments: Attachments,
    /// What the registry said about how much may be pulled from it, if anything.
    pub quota: Option<Quota>,
}

/// The images that are on this machine.
#[async_trait]
pub trait ImageStore: Send + Sync {
    /// Makes every layer of the image present and usable. Two calls for one image share the work;
    /// dropping the future stops it without leaving anything half-made under a final name.
    async fn pull(
        &self,
        image: &ResolvedImage,
        login: Option<&Login>,
        progress: Arc<dyn Progress>,
    ) -> Result<PullProgress>;

    /// Whether every layer is present.
    async fn is_present(&self, image: &ResolvedImage) -> bool;

    /// What of the image is here, and the room for the rest. Transfers nothing and asks no registry.
    async fn stock(&self, image: &ResolvedImage) -> Stock {
        Stock { present: self.is_present(image).await, ..Stock::default() }
    }

    /// The directories to stack as the image's root file system, topmost first, mounted and
    /// readable until [`Self::collect`] is called without the image.
    async fn layers(&self, image: &ResolvedImage) -> Result<Vec<PathBuf>>;

    /// Removes whatever none of these manifests needs, and answers with the bytes freed.
    async fn collect(&self, keep: &HashSet<Digest>) -> Result<u64>;
}

/// Hears how a pull goes. Called often; must be quick.
pub trait Progress: Send + Sync {
    /// A snapshot of the whole pull.
    fn report(&self, progress: &PullProgress);
}

/// How far a pull is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullProgress {
    /// Layers of the image.
    pub layers_total: u32,
    /// Layers that had to be moved; the others were here.
    pub layers_moved: u32,
    /// Bytes of the layers that have to be moved.
    pub bytes_total: u64,
    /// Bytes of those that have arrived.
    pub bytes_done: u64,
    /// Per layer that has to be moved: its digest, its size, and how much has arrived.
    pub layers: Vec<(Digest, u64, u64)>,
}
