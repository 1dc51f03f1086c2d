//! What the built-in registry holds, and who uses it.

use mirage_core::port::{HeldRepository, HeldTag};
use mirage_core::{RegistryHost, Repository, Result};
use mirage_store::ServicePath;

use crate::access::{Action, Actor};
use crate::{Control, Listing};

/// A repository of the built-in registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryView {
    /// Its name.
    pub repository: Repository,
    /// Its first tags: `latest`, then versions, the highest first, then the rest.
    pub tags: Vec<HeldTag>,
    /// How many it has.
    pub tag_count: usize,
    /// The services whose image is in it.
    pub used_by: Vec<ServicePath>,
}

impl Control {
    /// A page of the repositories of the built-in registry, by name: those that follow `after`.
    pub async fn repositories(
        &self,
        actor: &Actor,
        after: Option<&Repository>,
        limit: u32,
    ) -> Result<Listing<RepositoryView>> {
        self.allow(actor, Action::ListImages)?;
        let most = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
        let settings = &self.parts.settings;
        let held = self.parts.registry.held(&settings.platform, after, most).await?;
        let mut users = self.parts.store.image_users().await?;
        users.retain(|user| settings.registry_hosts.contains(user.image.host()));
        let view = |held: HeldRepository| {
            let uses = users.iter().filter(|user| *user.image.repository() == held.repository);
            let used_by = uses.map(|user| user.path.clone()).collect();
            let HeldRepository { repository, tags, tag_count } = held;
            RepositoryView { repository, tags, tag_count, used_by }
        };
        Ok(Listing::of(held.into_iter().map(view).collect(), limit))
    }

    /// The names under which the built-in registry is reached; first the one that every client takes without TLS.
    pub fn registry_hosts(&self) -> Vec<&RegistryHost> {
        let mut hosts: Vec<_> = self.parts.settings.registry_hosts.iter().collect();
        hosts.sort_by_key(|host| (!host.as_str().starts_with("127."), host.as_str()));
        hosts
    }
}
