//! Registries that have nearly everything.

use async_trait::async_trait;
use mirage_core::port::{HeldRepository, LoginCheck, Registry, Sighting, Spared};
use mirage_core::{
    Attachments, Code, Digest, Error, ImageConfig, Login, Platform, Port, Presence, Quota, Reference,
    Repository, ResolvedImage, Result, Tag, TagListing,
};

use crate::World;
use crate::held::{page_of, take};

/// Has every tag but `missing` of every repository but `missing`, for `amd64`, a tag being the content that its last letter names;
/// `private` wants the login of `ci` with the password `sesame`; who made `careless` took no care.
#[async_trait]
impl Registry for World {
    async fn resolve(
        &self,
        reference: &Reference,
        platform: &Platform,
        login: Option<&Login>,
    ) -> Result<ResolvedImage> {
        self.let_in(reference, login)?;
        if platform.architecture != "amd64" {
            let message = format!("`{reference}` is not built for `{platform}`");
            return Err(Error::new(Code::NoMatchingPlatform, message));
        }
        let number = reference.identifier().bytes().last().unwrap_or(0);
        let usual = ImageConfig {
            command: vec!["/web".into()],
            user: "web".into(),
            ports: vec![Port::new(8080).unwrap()],
            ..ImageConfig::default()
        };
        let mut config = self.config.lock().unwrap().clone().unwrap_or(usual);
        if reference.repository().last() == "careless" {
            config.command.push("$PORT".into());
            config.user.clear();
        }
        Ok(ResolvedImage {
            reference: reference.clone(),
            digest: Digest::sha256([number; 32]),
            manifest: Digest::sha256([number; 32]),
            platform: platform.clone(),
            platforms: vec![platform.clone()],
            size_bytes: 2 << 20,
            layers: 1,
            config,
        })
    }

    async fn tags(&self, _: &Reference, _: Option<&Login>) -> Result<TagListing> {
        Ok(TagListing::new(["1", "2", "latest"].map(|tag| tag.parse().unwrap()).into(), false))
    }

    async fn held(
        &self,
        _: &Platform,
        after: Option<&Repository>,
        most: usize,
    ) -> Result<Vec<HeldRepository>> {
        let all = self.held.lock().unwrap().clone().into_iter();
        let wanted = all.filter(|held| after.is_none_or(|after| held.repository.as_str() > after.as_str()));
        Ok(wanted.take(most).collect())
    }

    async fn held_in(
        &self,
        _: &Platform,
        repository: &Repository,
        after: Option<&Tag>,
        most: usize,
    ) -> Result<Option<HeldRepository>> {
        Ok(page_of(&self.held.lock().unwrap(), repository, after, most))
    }

    async fn doomed(
        &self,
        repository: &Repository,
        tag: Option<&Tag>,
        _: &Spared,
    ) -> Result<Option<Vec<Digest>>> {
        Ok(take(&mut self.held.lock().unwrap().clone(), repository, tag))
    }

    async fn remove_held(
        &self,
        repository: &Repository,
        tag: Option<&Tag>,
        _: &Spared,
    ) -> Result<Option<Vec<Digest>>> {
        Ok(take(&mut self.held.lock().unwrap(), repository, tag))
    }

    async fn check_login(&self, _: &Login) -> Result<LoginCheck> {
        self.refusal.lock().unwrap().clone().map_or(Ok(LoginCheck::Accepted), Err)
    }

    async fn inspect(
        &self,
        reference: &Reference,
        platform: &Platform,
        login: Option<&Login>,
    ) -> Result<Sighting> {
        let image = self.resolve(reference, platform, login).await?;
        let quota = Quota { limit: Some(100), remaining: 76, window_seconds: Some(21_600), source: None };
        let attachments = Attachments { signature: Presence::Absent, ..Attachments::default() };
        Ok(Sighting { image, attachments, quota: Some(quota) })
    }
}

impl World {
    fn let_in(&self, reference: &Reference, login: Option<&Login>) -> Result<()> {
        let shown = login.map(|login| (login.owner.username.as_str(), login.password.reveal()));
        if let Some((username, password)) = shown {
            let host = reference.host().to_string();
            self.logins.lock().unwrap().push((host, username.to_owned(), password.to_owned()));
        }
        if let Some(refusal) = &*self.refusal.lock().unwrap() {
            return Err(refusal.clone());
        }
        let (host, image) = (reference.host(), reference.familiar());
        let repository = reference.repository().last();
        if repository == "missing" || reference.identifier() == "missing" {
            return Err(Error::new(Code::ImageNotFound, format!("`{host}` has no image `{image}`"))
                .hint("check the repository and the tag"));
        }
        match repository {
            "private" if shown.is_none() => {
                let what = format!("`{host}` does not let `{image}` be pulled without a login");
                Err(Error::new(Code::RegistryAuthError, what).hint("a private image needs a user name"))
            }
            "private" if shown != Some(("ci", "sesame")) => {
                let what = format!("`{host}` does not accept the login for `{image}`");
                Err(Error::new(Code::RegistryAuthError, what).hint("check user name and password"))
            }
            _ => Ok(()),
        }
    }
}
