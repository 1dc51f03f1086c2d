//! What the built-in registry holds, and who uses it.

use std::collections::HashMap;

use mirage_core::port::{HeldRepository, HeldTag};
use mirage_core::{Code, Error, RegistryHost, Repository, Result, Tag};
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
    /// Whether there are tags that follow these.
    pub more: bool,
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
        Ok(Listing::of(self.with_users(held).await?, limit))
    }

    /// One of them with a page of its tags, in their order: those that follow `after`.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such repository.
    pub async fn repository(
        &self,
        actor: &Actor,
        repository: &Repository,
        after: Option<&Tag>,
        limit: u32,
    ) -> Result<RepositoryView> {
        self.allow(actor, Action::ListImages)?;
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let one_more = most.saturating_add(1);
        let platform = &self.parts.settings.platform;
        let held = self.parts.registry.held_in(platform, repository, after, one_more).await?;
        let held = held.into_iter().collect();
        let view = self.with_users(held).await?.pop().map(|mut view| {
            view.more = view.tags.len() > most;
            view.tags.truncate(most);
            view
        });
        view.ok_or_else(|| {
            Error::new(Code::NotFound, format!("the built-in registry has no repository `{repository}`"))
                .field("image")
                .hint("`mirage image list` shows what it has")
        })
    }

    async fn with_users(&self, held: Vec<HeldRepository>) -> Result<Vec<RepositoryView>> {
        let mut users: HashMap<Repository, Vec<ServicePath>> = HashMap::new();
        for user in self.parts.store.image_users().await? {
            if self.is_own(&user.image) {
                users.entry(user.image.repository().clone()).or_default().push(user.path);
            }
        }
        let view = |held: HeldRepository| {
            let HeldRepository { repository, tags, tag_count } = held;
            let used_by = users.remove(&repository).unwrap_or_default();
            RepositoryView { repository, more: tags.len() < tag_count, tags, tag_count, used_by }
        };
        Ok(held.into_iter().map(view).collect())
    }

    /// The names under which the built-in registry is reached; first the one that every client takes without TLS.
    pub fn registry_hosts(&self) -> Vec<&RegistryHost> {
        let mut hosts: Vec<_> = self.parts.settings.registry_hosts.iter().collect();
        hosts.sort_by_key(|host| (!host.as_str().starts_with("127."), host.as_str()));
        hosts
    }
}
