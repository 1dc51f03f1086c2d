//! The one who looks after certificates: brings them to the proxy, asks for new ones when they are due, and tries
//! again when that failed. Everything it has to remember is in the database, so that it may be killed at any moment.

mod renewal;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mirage_core::fault::point;
use mirage_core::{CertificateSet, Challenge, Domain, Result, ServedCertificate};
use mirage_store::CertificateRecord;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tracing::{error, warn};

use crate::parts::Parts;

/// Looked at again after this long even if nothing was heard.
const HEARTBEAT: Duration = Duration::from_secs(300);
/// After an error of the database or the proxy.
const PAUSE: Duration = Duration::from_secs(5);
/// The most certificates that are asked for at once.
const AT_ONCE: usize = 4;

/// Looks after certificates.
pub(crate) struct Certificates {
    parts: Arc<Parts>,
    bell: Notify,
    /// Domains whose certificate is being asked for.
    busy: Mutex<HashSet<Domain>>,
    /// Proofs that authorities look for right now.
    challenges: Mutex<BTreeMap<Domain, Challenge>>,
    /// What the proxy has; `None` where that is not known. Held while it is changed.
    installed: tokio::sync::Mutex<Option<Installed>>,
    places: Semaphore,
    /// Held while an account is made.
    registering: tokio::sync::Mutex<()>,
    tasks: Mutex<JoinSet<()>>,
}

#[derive(PartialEq, Eq)]
struct Installed {
    certificates: Vec<(Domain, String)>,
    challenges: Vec<Challenge>,
}

impl Certificates {
    /// Begins to look after them.
    pub(crate) fn start(parts: Arc<Parts>) -> Arc<Self> {
        let this = Arc::new(Self {
            parts,
            bell: Notify::new(),
            busy: Mutex::default(),
            challenges: Mutex::default(),
            installed: tokio::sync::Mutex::default(),
            places: Semaphore::new(AT_ONCE),
            registering: tokio::sync::Mutex::default(),
            tasks: Mutex::default(),
        });
        this.spawn(Arc::clone(&this).keep());
        this
    }

    /// Stops; what was begun is gone on with at the next start.
    pub(crate) async fn stop(&self) {
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        tasks.shutdown().await;
    }

    /// Says that something about a domain may be different.
    pub(crate) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Brings every certificate to the proxy, if it does not have them yet.
    pub(crate) async fn install_now(&self) -> Result<()> {
        let mut installed = self.installed.lock().await;
        if let Some(locked) = self.parts.vault.locked() {
            return Err(locked);
        }
        let records = self.parts.store.certificates().await?;
        let kept =
            |record: &CertificateRecord| Some((record.domain.clone(), record.kept.as_ref()?.0.clone()));
        let challenges: Vec<Challenge> = lock(&self.challenges).values().cloned().collect();
        let wanted = Installed { certificates: records.iter().filter_map(kept).collect(), challenges };
        if installed.as_ref() == Some(&wanted) {
            return Ok(());
        }
        let mut set = CertificateSet { certificates: Vec::new(), challenges: wanted.challenges.clone() };
        for CertificateRecord { domain, kept, .. } in records {
            let Some((chain, sealed)) = kept else { continue };
            match self.parts.vault.unseal(&CertificateRecord::key_binding(&domain), &sealed) {
                Ok(key) => set.certificates.push(ServedCertificate { domain, chain, key }),
                // The others are to be served.
                Err(error) => error!(%domain, ?error, "the key of a certificate cannot be opened"),
            }
        }
        // If this fails it is not known which ones the proxy has.
        *installed = None;
        point("certificate/install")?;
        self.parts.router.install(&set).await?;
        point("certificate/installed")?;
        *installed = Some(wanted);
        Ok(())
    }

    /// Brings every certificate to a proxy that was started in the place of another one.
    pub(crate) async fn introduce_proxy(&self) -> Result<()> {
        *self.installed.lock().await = None;
        self.install_now().await
    }

    async fn keep(self: Arc<Self>) {
        loop {
            let wait = match self.round().await {
                Ok(wait) => wait,
                Err(error) => {
                    error!(?error, "certificates could not be looked after");
                    PAUSE
                }
            };
            let _ = tokio::time::timeout(wait, self.bell.notified()).await;
        }
    }

    /// Does what is due, and answers how long nothing will be.
    async fn round(self: &Arc<Self>) -> Result<Duration> {
        while lock(&self.tasks).try_join_next().is_some() {}
        if let Some(locked) = self.parts.vault.locked() {
            // The proxy goes on with what it has.
            warn!("no certificate can be renewed: {}", locked.message());
            return Ok(HEARTBEAT);
        }
        self.install_now().await?;
        let now = self.parts.clock.now();
        let mut wait = HEARTBEAT;
        for record in self.parts.store.certificates().await? {
            let Some(due) = record.status.next_renewal_at else { continue };
            if due > now {
                wait = wait.min(Duration::try_from(due.duration_since(now)).unwrap_or(wait));
            } else if lock(&self.busy).insert(record.domain.clone()) {
                self.spawn(Arc::clone(self).renew(record.domain));
            }
        }
        Ok(wait)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        lock(&self.tasks).spawn(task);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
