//! The world in memory: a registry, an engine and a proxy small enough to be understood at a glance.

mod engine;
mod registry;
mod router;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mirage_core::port::Clock;
use mirage_core::*;
use registry::web_config;
use tokio::sync::Notify;

/// What a started process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behaviour {
    Serves,
    ExitsAtOnce(i32),
    NeverAnswers,
}

/// Registry, image store, engine, logs and proxy at once, so that a test has one thing to hold.
pub(super) struct World {
    pub(super) tags: Mutex<BTreeMap<String, Digest>>,
    pub(super) behaviour: Mutex<HashMap<Digest, Behaviour>>,
    pub(super) present: Mutex<HashSet<Digest>>,
    /// What images say of themselves, where that is not the usual.
    pub(super) configs: Mutex<HashMap<Digest, ImageConfig>>,
    /// Bytes that are free on the disk.
    pub(super) free_bytes: AtomicU64,
    pub(super) collected: Mutex<Vec<HashSet<Digest>>>,
    pub(super) pulls: AtomicU64,
    pub(super) pull_gate: Mutex<Option<Arc<Notify>>>,
    /// Pulls that somebody still works at.
    pub(super) pulling: Arc<()>,
    pub(super) start_gate: Mutex<Option<Arc<Notify>>>,
    pub(super) drain_gate: Mutex<Option<Arc<Notify>>>,
    /// How long those that were stopped had, in the order in which they were.
    pub(super) graces: Mutex<Vec<Duration>>,
    running: Mutex<BTreeMap<InstanceId, (InstanceReport, Digest)>>,
    pub(super) table: Mutex<RouteTable>,
    pub(super) authority: super::domains::FakeAuthority,
    pub(super) tables: Mutex<Vec<RouteTable>>,
    changed: Notify,
    pub(super) clock: Arc<dyn Clock>,
    addresses: AtomicU64,
    pub(super) refuse_starts: Mutex<Option<Error>>,
    /// So many more stops fail, and leave everything as it is.
    pub(super) failing_stops: AtomicU64,
    /// Registries that let nobody in but this user with this password.
    pub(super) doors: Mutex<HashMap<String, (String, String)>>,
    /// How commands end in instances of an image, where that is not well, and what they write.
    pub(super) commands: Mutex<HashMap<Digest, ExecOutcome>>,
    /// Commands that were run, with the `KEY` of their environment.
    pub(super) executed: Mutex<Vec<(Vec<String>, Option<String>)>>,
    /// Instances in which a command runs.
    commanded: Mutex<HashSet<InstanceId>>,
    /// Archives in the place of volumes.
    pub(super) volumes: Mutex<BTreeMap<VolumeId, Vec<u8>>>,
    /// What started processes had mounted.
    pub(super) mounts: Mutex<Vec<Vec<MountedVolume>>>,
    /// What the proxy says it has counted.
    pub(super) traffic: Mutex<Vec<ProcessTraffic>>,
    /// What each process says it has used.
    pub(super) cpu_micros: AtomicU64,
    /// What was told of deployments.
    pub(super) traces: Mutex<Vec<Vec<Span>>>,
    /// Environments of started processes.
    pub(super) environments: Mutex<Vec<Vec<(String, String)>>>,
}

pub(super) fn digest(n: u8) -> Digest {
    Digest::sha256([n; 32])
}

impl World {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            tags: Mutex::default(),
            behaviour: Mutex::default(),
            present: Mutex::default(),
            configs: Mutex::default(),
            free_bytes: AtomicU64::new(1 << 40),
            collected: Mutex::default(),
            pulls: AtomicU64::new(0),
            pull_gate: Mutex::default(),
            pulling: Arc::default(),
            start_gate: Mutex::default(),
            drain_gate: Mutex::default(),
            graces: Mutex::default(),
            running: Mutex::default(),
            table: Mutex::default(),
            authority: super::domains::FakeAuthority::default(),
            tables: Mutex::default(),
            changed: Notify::new(),
            clock,
            addresses: AtomicU64::new(0),
            refuse_starts: Mutex::default(),
            failing_stops: AtomicU64::default(),
            doors: Mutex::default(),
            commands: Mutex::default(),
            executed: Mutex::default(),
            commanded: Mutex::default(),
            volumes: Mutex::default(),
            mounts: Mutex::default(),
            traffic: Mutex::default(),
            cpu_micros: AtomicU64::default(),
            traces: Mutex::default(),
            environments: Mutex::default(),
        })
    }

    /// A tag that means this content, which says this of itself.
    pub(super) fn publish_config(&self, reference: &str, n: u8, change: impl FnOnce(&mut ImageConfig)) {
        let mut config = web_config();
        change(&mut config);
        self.configs.lock().unwrap().insert(digest(n), config);
        self.publish_image(reference, n, Behaviour::Serves);
    }

    /// A tag that means this content, whose process behaves so.
    pub(super) fn publish_image(&self, reference: &str, n: u8, behaviour: Behaviour) {
        self.tags.lock().unwrap().insert(reference.to_owned(), digest(n));
        self.behaviour.lock().unwrap().insert(digest(n), behaviour);
    }

    /// What a registry says to whoever shows this login.
    fn knock(&self, host: &RegistryHost, login: Option<&Login>) -> Result<()> {
        let doors = self.doors.lock().unwrap();
        let Some((user, password)) = doors.get(host.as_str()) else { return Ok(()) };
        match login {
            Some(login) if login.owner.host != *host => {
                panic!("a password of {} went to {host}", login.owner)
            }
            Some(login) if login.owner.username == *user && login.password.reveal() == password => Ok(()),
            _ => Err(Error::new(Code::RegistryAuthError, format!("`{host}` is closed"))),
        }
    }

    /// The digests that run, in order.
    pub(super) fn running(&self) -> Vec<Digest> {
        let running = self.running.lock().unwrap();
        let up = running.values().filter(|(report, _)| matches!(report.state, InstanceState::Running { .. }));
        up.map(|(_, digest)| digest.clone()).collect()
    }

    pub(super) fn instances(&self) -> Vec<InstanceId> {
        self.running.lock().unwrap().keys().copied().collect()
    }

    /// The process of an instance ends.
    pub(super) fn end(&self, id: InstanceId, code: i32) {
        let at = self.clock.now();
        if let Some((report, _)) = self.running.lock().unwrap().get_mut(&id) {
            report.state = InstanceState::Exited(Exit {
                code: Some(code),
                signal: None,
                oom: false,
                start_error: None,
                at,
            });
        }
        self.changed.notify_one();
    }

    /// Every process vanishes, as in a reboot.
    pub(super) fn reboot(&self) {
        self.running.lock().unwrap().clear();
        self.changed.notify_one();
    }

    /// Digests that answer at a host.
    pub(super) fn behind(&self, host: &str) -> Vec<Digest> {
        let table = self.table.lock().unwrap();
        let running = self.running.lock().unwrap();
        let route = table.routes.iter().find(|route| route.host == host);
        let backends = route.map(|route| route.backends.clone()).unwrap_or_default();
        backends.iter().filter_map(|b| running.get(&b.instance).map(|(_, digest)| digest.clone())).collect()
    }
}
