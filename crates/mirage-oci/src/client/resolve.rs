//! Preflight: from a reference to a pinned image, without moving a layer.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use mirage_core::port::{Clock, HeldRepository, LoginCheck, Registry, Sighting, Spared};
use mirage_core::{
    Digest, Error, Login, Platform, Reference, Repository, ResolvedImage, Result, Tag, TagListing,
};
use tokio::task::spawn_blocking;

use super::config::ConfigDocument;
use super::documents::Documents;
use super::fault::Fault;
use super::held::{Look, Sizes};
use super::link::Link;
use super::local::OwnRegistry;
use super::login;
use super::manifest::{Document, Manifest};
use super::options::RegistryOptions;
use super::remote::{RemoteImage, Source};
use super::report::report_login;
use super::together::Together;
use crate::content::ContentStore;
use crate::registry::{self, PullThrough};

/// How deep an index may hold indexes.
const MAX_INDEX_DEPTH: usize = 3;

/// The client of every registry. Cheap to clone; clones share connections, tokens and memory.
#[derive(Clone)]
pub struct RegistryClient {
    documents: Arc<Documents>,
    resolving: Arc<UnderWay<ResolvedImage>>,
    looking: Arc<UnderWay<Sighting>>,
    sizes: Arc<Sizes>,
}

/// Questions of one kind that are being answered.
type UnderWay<T> = Together<(Source, Reference, Platform), Result<T>>;

/// What somebody wants to know about, for as long as it takes.
#[derive(Clone)]
struct Wanted {
    reference: Reference,
    platform: Platform,
    login: Option<Login>,
}

impl Wanted {
    fn new(reference: &Reference, platform: &Platform, login: Option<&Login>) -> Self {
        Self { reference: reference.clone(), platform: platform.clone(), login: login.cloned() }
    }

    fn image(&self) -> RemoteImage<'_> {
        RemoteImage { reference: &self.reference, login: self.login.as_ref() }
    }
}

impl RegistryClient {
    /// A client with these settings; it opens no connection yet. `seed` sets off the jitter of its
    /// pauses, `clock` says when minted passwords end. What is in `store` is not fetched; `own` is the built-in registry, which needs one.
    ///
    /// # Errors
    /// `INVALID_REQUEST` where the file of an authority cannot be read or holds no certificate.
    pub fn new(
        options: RegistryOptions,
        seed: u64,
        clock: Arc<dyn Clock>,
        store: Option<ContentStore>,
        own: Option<OwnRegistry>,
    ) -> Result<Self> {
        let link = Arc::new(Link::new(options, seed, clock)?);
        let through = match (&store, &own) {
            (Some(store), Some(own)) => Some(PullThrough::new(&link, store.clone(), own)),
            _ => None,
        };
        Ok(Self {
            documents: Arc::new(Documents { own, through, ..Documents::new(link, store) }),
            resolving: Arc::default(),
            looking: Arc::default(),
            sizes: Arc::default(),
        })
    }

    /// Other registries, read through the built-in one, for that one to serve; `None` without it.
    pub fn pull_through(&self) -> Option<PullThrough> {
        self.documents.through.clone()
    }

    /// The way to every registry, for fetching blobs.
    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.documents.link
    }

    /// The documents of images, for pulling.
    pub(crate) fn documents(&self) -> &Documents {
        &self.documents
    }

    /// Looks at what the built-in registry holds, where reading files holds up nobody else. Without one there is nothing.
    async fn at_own<T: Default + Send + 'static>(
        &self,
        platform: &Platform,
        look: impl FnOnce(Look<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sizes, platform) = (Arc::clone(&self.sizes), platform.clone());
        self.in_own(move |own, store| look(Look { own, store, sizes: &sizes, platform: &platform })).await
    }

    /// Does something with the files of the built-in registry. It is finished even where nobody waits any more.
    async fn in_own<T: Default + Send + 'static>(
        &self,
        work: impl FnOnce(&OwnRegistry, &ContentStore) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let documents = self.documents();
        let (Some(own), Some(store)) = (documents.own.clone(), documents.store.clone()) else {
            return Ok(T::default());
        };
        let done = spawn_blocking(move || work(&own, &store)).await;
        done.unwrap_or_else(|cause| {
            Err(Error::internal("look at the images of the built-in registry", cause))
        })
    }

    /// Asks, unless somebody asks the same just now: then that answer is everybody's.
    async fn once<T, F>(
        &self,
        under_way: &UnderWay<T>,
        wanted: Wanted,
        ask: impl FnOnce(Self, Wanted) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Clone + Send + Sync + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let question = (wanted.image().source(), wanted.reference.clone(), wanted.platform.clone());
        let client = self.clone();
        let begin = || {
            async move {
                let answer = ask(client.clone(), wanted.clone()).await;
                answer.map_err(|fault| client.link().report(fault, wanted.image()))
            }
            .boxed()
        };
        under_way.ask(question, begin).await
    }

    async fn find(&self, image: RemoteImage<'_>, wanted: &Platform) -> Result<ResolvedImage, Fault> {
        let (digest, top) = self.documents.top(image).await?;
        self.below(image, wanted, digest, top).await
    }

    /// From what the reference points to down to the image for the platform.
    pub(super) async fn below(
        &self,
        image: RemoteImage<'_>,
        wanted: &Platform,
        digest: Digest,
        top: Document,
    ) -> Result<ResolvedImage, Fault> {
        let reference = image.reference;
        let found = self.descend(image, wanted, digest.clone(), top).await?;
        let bytes = self.documents.config_bytes(image, &found.image.config).await?;
        let ConfigDocument { platform, config } = ConfigDocument::read(&bytes)?;
        // The index speaks first: configurations of cross-built images are often wrong about themselves.
        let platform = found.platform.or(platform).unwrap_or_else(|| wanted.clone());
        let platforms = if found.offers.is_empty() { vec![platform.clone()] } else { found.offers };
        if !platform.satisfies(wanted) {
            return Err(Fault::NoPlatform { wanted: wanted.clone(), offered: platforms });
        }
        Ok(ResolvedImage {
            reference: reference.clone(),
            digest,
            manifest: found.manifest,
            platform,
            platforms,
            size_bytes: found.image.size_bytes(),
            layers: found.image.layers.len() as u32,
            config,
        })
    }

    /// Through indexes down to the image for the platform.
    async fn descend(
        &self,
        image: RemoteImage<'_>,
        wanted: &Platform,
        mut manifest: Digest,
        mut document: Document,
    ) -> Result<Found, Fault> {
        let (mut platform, mut offers) = (None, Vec::new());
        for _ in 0..=MAX_INDEX_DEPTH {
            let index = match document {
                Document::Image(image) => return Ok(Found { manifest, image, platform, offers }),
                Document::Index(index) => index,
            };
            if offers.is_empty() {
                offers = index.platforms();
            }
            let Some(entry) = index.choose(wanted) else {
                return Err(Fault::NoPlatform { wanted: wanted.clone(), offered: offers });
            };
            manifest = entry.manifest.digest.clone();
            platform = entry.platform.clone().or(platform);
            document = self.documents.manifest(image, &manifest).await?;
        }
        Err(Fault::Malformed(format!("its indexes are nested more than {MAX_INDEX_DEPTH} deep")))
    }
}

struct Found {
    manifest: Digest,
    image: Manifest,
    platform: Option<Platform>,
    offers: Vec<Platform>,
}

#[async_trait]
impl Registry for RegistryClient {
    async fn resolve(
        &self,
        reference: &Reference,
        platform: &Platform,
        login: Option<&Login>,
    ) -> Result<ResolvedImage, Error> {
        let ask =
            |client: Self, wanted: Wanted| async move { client.find(wanted.image(), &wanted.platform).await };
        self.once(&self.resolving, Wanted::new(reference, platform, login), ask).await
    }

    async fn tags(&self, reference: &Reference, login: Option<&Login>) -> Result<TagListing, Error> {
        let image = RemoteImage { reference, login };
        self.list(image).await.map_err(|fault| self.link().report(fault, image))
    }

    async fn held(
        &self,
        platform: &Platform,
        after: Option<&Repository>,
        limit: usize,
    ) -> Result<Vec<HeldRepository>, Error> {
        let after = after.cloned();
        self.at_own(platform, move |look| look.at_all(after.as_ref(), limit)).await
    }

    async fn held_in(
        &self,
        platform: &Platform,
        repository: &Repository,
        after: Option<&Tag>,
        limit: usize,
    ) -> Result<Option<HeldRepository>, Error> {
        let (repository, after) = (repository.clone(), after.cloned());
        self.at_own(platform, move |look| look.at_one(repository, after.as_ref(), limit)).await
    }

    async fn doomed(
        &self,
        repository: &Repository,
        tag: Option<&Tag>,
        spared: &Spared,
    ) -> Result<Option<Vec<Digest>>, Error> {
        let (repository, tag, spared) = (repository.clone(), tag.cloned(), spared.clone());
        self.in_own(move |own, store| {
            registry::doomed(store, &own.repositories, &repository, tag.as_ref(), &spared)
        })
        .await
    }

    async fn remove_held(
        &self,
        repository: &Repository,
        tag: Option<&Tag>,
        spared: &Spared,
    ) -> Result<Option<Vec<Digest>>, Error> {
        let (repository, tag, spared) = (repository.clone(), tag.cloned(), spared.clone());
        self.in_own(move |own, store| {
            registry::take_away(store, &own.repositories, &repository, tag.as_ref(), &spared)
        })
        .await
    }

    async fn check_login(&self, login: &Login) -> Result<LoginCheck, Error> {
        login::check(self.link(), login).await.map_err(|fault| report_login(fault, login))
    }

    async fn inspect(
        &self,
        reference: &Reference,
        platform: &Platform,
        login: Option<&Login>,
    ) -> Result<Sighting, Error> {
        let ask =
            |client: Self, wanted: Wanted| async move { client.look(wanted.image(), &wanted.platform).await };
        self.once(&self.looking, Wanted::new(reference, platform, login), ask).await
    }
}
