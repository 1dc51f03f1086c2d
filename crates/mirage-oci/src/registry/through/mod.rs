//! The built-in registry as a cache of other registries: `docker.io/library/nginx` here is `library/nginx` there.
//!
//! A tag is asked for at its origin each time, and what it means is kept; what the origin cannot be asked
//! about now is answered from what is kept. Content is fetched once, whoever asks for it and however many,
//! and never handed out as complete before its digest is right. What is kept is held by the repository as if it
//! had been pushed, so it is listed, collected and deleted as everything else.

mod arrival;
mod blobs;
mod face;
mod logins;
mod manifests;
mod origin;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use mirage_core::{Digest, Error, Login, Reference, RegistryHost, Repository, Result};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::repositories::Repositories;
use crate::client::{BlobFetcher, Documents, Link, OwnRegistry, Resting};
use crate::content::ContentStore;
use arrival::Arrival;
pub(super) use face::{blob, manifest, refuse_push};
pub use logins::Logins;
pub(crate) use origin::Origin;

/// Blobs that are fetched at a time; more wait.
const ARRIVALS_AT_A_TIME: usize = 12;
/// Blobs that may wait or be fetched, each with two descriptors: more are refused.
const MAX_ARRIVALS: usize = 256;

/// Other registries, read through the built-in one. Cheap to clone; clones share the work they do.
#[derive(Clone)]
pub struct PullThrough {
    inner: Arc<Inner>,
}

struct Inner {
    documents: Documents,
    fetcher: BlobFetcher,
    store: ContentStore,
    repositories: Repositories,
    /// Names that mean this registry, which is no origin of itself.
    own: HashSet<RegistryHost>,
    logins: RwLock<Option<Arc<dyn Logins>>>,
    /// Origins that did not answer a moment ago; what is kept of them is answered without asking.
    resting: Resting,
    sizes: Mutex<HashMap<Digest, u64>>,
    arrivals: Mutex<HashMap<(Repository, Digest), Arc<Arrival>>>,
    places: Semaphore,
}

impl PullThrough {
    /// Keeps in `store` and `own` what comes over `link`. Asks as anybody until it is given logins.
    pub(crate) fn new(link: &Arc<Link>, store: ContentStore, own: &OwnRegistry) -> Self {
        let inner = Inner {
            documents: Documents::new(Arc::clone(link), Some(store.clone())),
            fetcher: BlobFetcher::new(Arc::clone(link)),
            store,
            repositories: own.repositories.clone(),
            own: own.hosts.clone(),
            logins: RwLock::default(),
            resting: Resting::default(),
            sizes: Mutex::default(),
            arrivals: Mutex::default(),
            places: Semaphore::new(ARRIVALS_AT_A_TIME),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Who is asked for logins from now on; `None` lets go of whoever was, and asks as anybody again.
    pub fn set_logins(&self, logins: Option<Arc<dyn Logins>>) {
        *self.inner.logins.write().unwrap_or_else(PoisonError::into_inner) = logins;
    }

    /// What a repository is a cache of; `None` where it is one like any other.
    pub(crate) fn origin(&self, repository: &Repository) -> Option<Origin> {
        Origin::of(repository).filter(|origin| !self.inner.own.contains(origin.host()))
    }

    async fn login(&self, image: &Reference) -> Result<Option<Login>> {
        let logins = self.inner.logins.read().unwrap_or_else(PoisonError::into_inner).clone();
        match logins {
            // A login that belongs to another registry is none.
            Some(logins) => Ok(logins.login(image).await?.filter(|login| login.owner.host == *image.host())),
            None => Ok(None),
        }
    }

    /// Runs something that blocks on the disk.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.inner);
        let done = spawn_blocking(move || work(&inner)).await;
        done.map_err(|cause| Error::internal("use what is kept of another registry", cause))?
    }
}
