//! What the built-in registry holds, in answers.

use mirage_control::{Removal, RepositoryView};
use mirage_core::port::HeldTag;
use serde::Serialize;
use utoipa::ToSchema;

/// A repository of the built-in registry.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Repository {
    /// Its name.
    #[schema(example = "acme/web")]
    name: String,
    /// Tags of it: `latest`, then versions, the highest first, then the rest.
    tags: Vec<Tag>,
    /// The `after` of the next page of them; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// How many it has.
    tag_count: usize,
    /// The services whose image is in it, as `project/environment/name`.
    used_by: Vec<String>,
}

/// A tag, and what it means now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Tag {
    /// Its name.
    name: String,
    /// The manifest or index.
    digest: String,
    /// Bytes of its layers as they are transferred; null where it is not an image for this machine.
    size_bytes: Option<u64>,
}

/// Images that were removed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RemovedImages {
    /// The tag, or the repository.
    name: String,
    /// How many manifests and indexes went with it: what no other tag means, but for what services need and what was
    /// pushed within a day.
    manifests: usize,
    /// The services that are set to such an image, or are being deployed with one, as `project/environment/name`.
    used_by: Vec<String>,
    /// The revisions that can be rolled back to: their bytes stay on this machine, as far as they were brought here.
    kept: Vec<KeptRevision>,
}

/// A revision that can be rolled back to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct KeptRevision {
    /// The service, as `project/environment/name`.
    service: String,
    /// Its number.
    revision: u32,
}

impl From<RepositoryView> for Repository {
    fn from(view: RepositoryView) -> Self {
        let last = view.tags.last().filter(|_| view.more);
        Self {
            name: view.repository.to_string(),
            next: last.map(|last| last.tag.to_string()),
            tags: view.tags.into_iter().map(Tag::from).collect(),
            tag_count: view.tag_count,
            used_by: view.used_by.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<HeldTag> for Tag {
    fn from(tag: HeldTag) -> Self {
        Self { name: tag.tag.to_string(), digest: tag.digest.to_string(), size_bytes: tag.size_bytes }
    }
}

impl From<Removal> for RemovedImages {
    fn from(removal: Removal) -> Self {
        let kept = removal.kept.iter();
        Self {
            name: removal.name.to_string(),
            manifests: removal.manifests,
            used_by: removal.used_by.iter().map(ToString::to_string).collect(),
            kept: kept
                .map(|kept| KeptRevision { service: kept.path.to_string(), revision: kept.revision })
                .collect(),
        }
    }
}
