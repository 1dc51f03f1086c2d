//! Registries that know what a test has published, and the place where images are kept.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use mirage_core::port::{
    HeldRepository, HeldTag, ImageStore, LoginCheck, Progress, PullProgress, Registry, Spared,
};
use mirage_core::*;

use super::World;
use crate::tests::removal::take;

pub(super) fn web_config() -> ImageConfig {
    ImageConfig {
        entrypoint: vec!["/web".into()],
        user: "web".into(),
        ports: vec![Port::new(80).unwrap()],
        ..ImageConfig::default()
    }
}

#[async_trait]
impl Registry for World {
    async fn resolve(
        &self,
        reference: &Reference,
        platform: &Platform,
        login: Option<&Login>,
    ) -> Result<ResolvedImage> {
        self.knock(reference.host(), login)?;
        let tags = self.tags.lock().unwrap();
        let Some(found) = tags.get(&reference.to_string()) else {
            return Err(Error::new(Code::ImageNotFound, format!("there is no `{reference}`")));
        };
        Ok(ResolvedImage {
            reference: reference.clone(),
            digest: found.clone(),
            manifest: found.clone(),
            platform: platform.clone(),
            platforms: vec![platform.clone()],
            size_bytes: 1000,
            layers: 1,
            config: self.configs.lock().unwrap().get(found).cloned().unwrap_or_else(web_config),
        })
    }

    async fn tags(&self, reference: &Reference, login: Option<&Login>) -> Result<TagListing> {
        self.knock(reference.host(), login)?;
        let repository = format!("{}/{}:", reference.host(), reference.repository());
        let tags = self.tags.lock().unwrap();
        let of_it = tags.keys().filter_map(|name| name.strip_prefix(&repository)?.parse().ok());
        Ok(TagListing::new(of_it.collect(), false))
    }

    /// The registry that this world calls its own.
    async fn held(
        &self,
        _: &Platform,
        after: Option<&Repository>,
        limit: usize,
    ) -> Result<Vec<HeldRepository>> {
        let tags = self.tags.lock().unwrap();
        let references =
            tags.iter().filter_map(|(name, digest)| Some((name.parse::<Reference>().ok()?, digest)));
        let mut held: Vec<HeldRepository> = Vec::new();
        for (reference, digest) in references.filter(|(it, _)| it.host().as_str() == "127.0.0.1:7070") {
            let tag = reference.tag().unwrap().clone();
            let tags = vec![HeldTag { tag, digest: digest.clone(), size_bytes: Some(1000) }];
            held.push(HeldRepository { repository: reference.repository().clone(), tags, tag_count: 1 });
        }
        held.sort_by(|one, other| one.repository.cmp(&other.repository));
        held.retain(|it| after.is_none_or(|after| it.repository > *after));
        held.truncate(limit);
        Ok(held)
    }

    async fn doomed(
        &self,
        repository: &Repository,
        tag: Option<&Tag>,
        _: &Spared,
    ) -> Result<Option<Vec<Digest>>> {
        Ok(take(&mut self.tags.lock().unwrap().clone(), repository, tag))
    }

    async fn remove_held(
        &self,
        repository: &Repository,
        tag: Option<&Tag>,
        _: &Spared,
    ) -> Result<Option<Vec<Digest>>> {
        Ok(take(&mut self.tags.lock().unwrap(), repository, tag))
    }

    async fn check_login(&self, login: &Login) -> Result<LoginCheck> {
        self.knock(&login.owner.host, Some(login))?;
        Ok(LoginCheck::Accepted)
    }
}

#[async_trait]
impl ImageStore for World {
    async fn pull(
        &self,
        image: &ResolvedImage,
        login: Option<&Login>,
        _progress: Arc<dyn Progress>,
    ) -> Result<PullProgress> {
        self.knock(image.reference.host(), login)?;
        self.pulls.fetch_add(1, Ordering::Relaxed);
        let _pulling = Arc::clone(&self.pulling);
        let gate = self.pull_gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.notified().await;
        }
        self.present.lock().unwrap().insert(image.manifest.clone());
        Ok(PullProgress {
            layers_total: 1,
            layers_moved: 1,
            bytes_total: 1000,
            bytes_done: 1000,
            layers: Vec::new(),
        })
    }

    async fn is_present(&self, image: &ResolvedImage) -> bool {
        self.present.lock().unwrap().contains(&image.manifest)
    }

    async fn layers(&self, _image: &ResolvedImage) -> Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }

    async fn collect(&self, keep: &HashSet<Digest>) -> Result<u64> {
        self.collected.lock().unwrap().push(keep.clone());
        self.present.lock().unwrap().retain(|digest| keep.contains(digest));
        Ok(0)
    }
}
