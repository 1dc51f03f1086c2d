//! What a platform is put together from.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use mirage_core::port::{
    CertificateAuthority, Clock, ImageStore, InstanceEngine, Randomness, Registry, Router, TraceSink,
    VolumeStore,
};
use mirage_core::{
    Event, Platform, RegistryHost, Result, Revision, Service, VariableName, VariableText, VariableValue,
};
use mirage_store::{EventFilter, Store, Vault};
use tokio::sync::{Mutex, RwLock, broadcast};

use crate::about::{Setup, address};
use crate::access::{AdminToken, Grants};
use crate::backup::Pack;
use crate::doctor::Finding;
use crate::log_ins::LogIns;
use crate::trusted::TrustedProxy;

/// Facts that are already broadcast but not yet read by a slow listener; it then reads the database.
const EVENT_BACKLOG: usize = 1024;

/// The real things behind the ports.
#[derive(Clone)]
pub struct Ports {
    /// Where images come from.
    pub registry: Arc<dyn Registry>,
    /// Where images are kept.
    pub images: Arc<dyn ImageStore>,
    /// Where instances run.
    pub engine: Arc<dyn InstanceEngine>,
    /// Where the data of volumes is.
    pub volumes: Arc<dyn VolumeStore>,
    /// How traffic is moved.
    pub router: Arc<dyn Router>,
    /// Where certificates come from.
    pub authority: Arc<dyn CertificateAuthority>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where identities come from.
    pub random: Arc<dyn Randomness>,
    /// What the adapters have to say about this machine.
    pub machine: Arc<dyn Fn() -> Vec<Finding> + Send + Sync>,
    /// How a backup is made.
    pub pack: Pack,
    /// Who is told how deployments went, where somebody wants to know.
    pub traces: Option<Arc<dyn TraceSink>>,
}

/// What a platform is put together from.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) vault: Vault,
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) images: Arc<dyn ImageStore>,
    pub(crate) engine: Arc<dyn InstanceEngine>,
    pub(crate) volumes: Arc<dyn VolumeStore>,
    pub(crate) router: Arc<dyn Router>,
    pub(crate) authority: Arc<dyn CertificateAuthority>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Randomness>,
    pub(crate) machine: Arc<dyn Fn() -> Vec<Finding> + Send + Sync>,
    pub(crate) pack: Pack,
    pub(crate) traces: Option<Arc<dyn TraceSink>>,
    /// Held while a backup is being made.
    pub(crate) packing: Arc<Mutex<()>>,
    pub(crate) settings: Settings,
    /// When this process began to decide.
    pub(crate) started_at: Timestamp,
    pub(crate) grants: Grants,
    pub(crate) log_ins: LogIns,
    /// Who hears of events as they happen.
    pub(crate) events: broadcast::Sender<Event>,
    /// How often the reconciler looked at a service.
    pub(crate) rounds: AtomicU64,
    /// Held while a push is followed by a deploy.
    pub(crate) following: Mutex<()>,
    /// Held for reading while an image is brought or started, for writing while images are removed.
    pub(crate) images_in_motion: RwLock<()>,
}

/// The choices of whoever runs the platform.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What images must be built for.
    pub platform: Platform,
    /// Services answer below this domain.
    pub base_domain: String,
    /// Port of the proxy, for addresses shown to users.
    pub proxy_port: u16,
    /// Port of the proxy for TLS; `None` where it speaks none.
    pub proxy_tls_port: Option<u16>,
    /// The token that may do everything.
    pub admin_token: AdminToken,
    /// The names under which the built-in registry is reached.
    pub registry_hosts: HashSet<RegistryHost>,
    /// Proxies in front of the pages that say truly for whom they ask.
    pub trusted_proxies: Vec<TrustedProxy>,
    /// What else was chosen, for people to look at.
    pub setup: Setup,
}

impl Parts {
    /// The environment of a process of this revision. Sealed variables are opened here, and nowhere else.
    pub(crate) fn environment(&self, revision: &Revision) -> Result<Vec<(String, VariableText)>> {
        let open = |name: &VariableName, value: &VariableValue| {
            self.vault.variable(&name.binding(revision.service), value)
        };
        revision.environment(open)
    }

    pub(crate) fn new(store: Store, vault: Vault, ports: Ports, settings: Settings) -> Self {
        let Ports {
            registry,
            images,
            engine,
            volumes,
            router,
            authority,
            clock,
            random,
            machine,
            pack,
            traces,
        } = ports;
        let events = broadcast::Sender::new(EVENT_BACKLOG);
        let images_in_motion = RwLock::new(());
        let started_at = clock.now();
        Self {
            store,
            vault,
            registry,
            images,
            engine,
            volumes,
            router,
            authority,
            clock,
            random,
            machine,
            pack,
            traces,
            packing: Arc::default(),
            settings,
            started_at,
            grants: Grants::default(),
            log_ins: LogIns::default(),
            events,
            rounds: AtomicU64::new(0),
            following: Mutex::default(),
            images_in_motion,
        }
    }

    /// Tells everybody who listens. Nobody listening is fine.
    pub(crate) fn announce(&self, events: Vec<Event>) {
        for event in events {
            let _ = self.events.send(event);
        }
    }

    /// Tells of the newest event again: whoever has not heard of those before it looks them up.
    pub(crate) async fn announce_newest(&self) -> Result<()> {
        self.announce(self.store.events_before(&EventFilter::default(), i64::MAX, 1).await?);
        Ok(())
    }
}

impl Settings {
    /// The host at which a service answers.
    pub fn host_of(&self, service: &Service) -> String {
        format!("{}.{}", service.host, self.base_domain)
    }

    /// The address at which a service answers.
    pub fn url_of(&self, service: &Service) -> String {
        self.url_at(&service.host)
    }

    /// The address below the base domain that begins with this label.
    pub(crate) fn url_at(&self, label: &str) -> String {
        self.url_of_name(&format!("{label}.{}", self.base_domain))
    }

    /// The address over plain HTTP that this name has where it leads to the proxy.
    pub(crate) fn url_of_name(&self, name: &str) -> String {
        address("http", name, self.proxy_port, 80)
    }
}
