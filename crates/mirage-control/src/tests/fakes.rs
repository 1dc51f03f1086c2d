//! The world in memory: a registry, an engine and a proxy small enough to be understood at a glance.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use mirage_core::port::{
    Clock, HeldRepository, HeldTag, ImageStore, InstanceEngine, LogReader, LoginCheck, Progress,
    PullProgress, Registry, Router, TraceSink,
};
use mirage_core::*;
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

fn web_config() -> ImageConfig {
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

    async fn doomed(&self, repository: &Repository, tag: Option<&Tag>) -> Result<Option<Vec<Digest>>> {
        Ok(super::removal::take(&mut self.tags.lock().unwrap().clone(), repository, tag))
    }

    async fn remove_held(&self, repository: &Repository, tag: Option<&Tag>) -> Result<Option<Vec<Digest>>> {
        Ok(super::removal::take(&mut self.tags.lock().unwrap(), repository, tag))
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

#[async_trait]
impl InstanceEngine for World {
    async fn pull(
        &self,
        image: &ResolvedImage,
        login: Option<&Login>,
        progress: Arc<dyn Progress>,
    ) -> Result<PullProgress> {
        ImageStore::pull(self, image, login, progress).await
    }

    async fn is_present(&self, image: &ResolvedImage) -> bool {
        ImageStore::is_present(self, image).await
    }

    async fn stock(&self, image: &ResolvedImage) -> Stock {
        let present = ImageStore::is_present(self, image).await;
        let missing_bytes = Some(if present { 0 } else { image.size_bytes });
        let free_bytes = Some(self.free_bytes.load(Ordering::Relaxed));
        Stock { present, missing_bytes, unpacked_bytes: None, free_bytes }
    }

    async fn start(&self, spec: &InstanceSpec) -> Result<InstanceReport> {
        if let Some(error) = self.refuse_starts.lock().unwrap().clone() {
            return Err(error);
        }
        let gate = self.start_gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.notified().await;
        }
        let pairs = spec.variables.iter().map(|(name, text)| (name.clone(), text.reveal().to_owned()));
        self.environments.lock().unwrap().push(pairs.collect());
        self.mounts.lock().unwrap().push(spec.volumes.clone());
        let n = self.addresses.fetch_add(1, Ordering::Relaxed);
        let address = Ipv4Addr::new(10, 0, (n / 250) as u8, (n % 250) as u8 + 2);
        let digest = spec.image.manifest.clone();
        let at = self.clock.now();
        let state = match self.behaviour.lock().unwrap().get(&digest) {
            Some(Behaviour::ExitsAtOnce(code)) => InstanceState::Exited(Exit {
                code: Some(*code),
                signal: None,
                oom: false,
                start_error: None,
                at,
            }),
            _ => InstanceState::Running { since: at },
        };
        let report = InstanceReport {
            id: spec.id,
            service: spec.service,
            deployment: spec.deployment,
            state,
            address: Some(IpAddr::V4(address)),
            pid: Some(1),
        };
        self.running.lock().unwrap().insert(spec.id, (report.clone(), digest));
        self.changed.notify_one();
        Ok(report)
    }

    async fn stop(&self, id: InstanceId, grace: Duration) -> Result<()> {
        self.graces.lock().unwrap().push(grace);
        let left = self.failing_stops.load(Ordering::Relaxed);
        if left > 0 && self.running.lock().unwrap().contains_key(&id) {
            self.failing_stops.store(left - 1, Ordering::Relaxed);
            return Err(Error::new(Code::Internal, "it withstands"));
        }
        if self.running.lock().unwrap().contains_key(&id) {
            // A process does not end at once.
            tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(2))).await.unwrap();
        }
        self.running.lock().unwrap().remove(&id);
        self.changed.notify_one();
        Ok(())
    }

    async fn list(&self) -> Result<Vec<InstanceReport>> {
        Ok(self.running.lock().unwrap().values().map(|(report, _)| report.clone()).collect())
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    async fn listening(&self, _id: InstanceId) -> Result<Vec<SocketAddr>> {
        Ok(vec!["0.0.0.0:3000".parse().unwrap()])
    }

    async fn exec(&self, id: InstanceId, command: &ExecCommand) -> Result<ExecOutcome> {
        assert!(self.commanded.lock().unwrap().insert(id), "one command at a time");
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.commanded.lock().unwrap().remove(&id);
        let key = command.variables.iter().find(|(name, _)| name == "KEY");
        let key = key.map(|(_, value)| value.reveal().to_owned());
        self.executed.lock().unwrap().push((command.arguments.clone(), key));
        let running = self.running.lock().unwrap();
        let Some((_, digest)) = running.get(&id) else {
            return Err(Error::new(Code::Conflict, "it is gone"));
        };
        let well = ExecOutcome { ending: ExecEnding::Code(0), output: String::new() };
        Ok(self.commands.lock().unwrap().get(digest).cloned().unwrap_or(well))
    }

    async fn usage(&self, ids: &[InstanceId]) -> Result<Vec<InstanceUsage>> {
        let usage = |id: &InstanceId| InstanceUsage {
            instance: *id,
            cpu_micros: self.cpu_micros.load(Ordering::SeqCst),
            memory_bytes: 10 << 20,
            received_bytes: 5,
            sent_bytes: 7,
        };
        Ok(ids.iter().map(usage).collect())
    }

    fn resolver(&self, network: u16) -> Ipv4Addr {
        Ipv4Addr::new(10, network as u8, 0, 1)
    }

    fn logs(&self) -> &dyn LogReader {
        self
    }
}

#[async_trait]
impl LogReader for World {
    async fn read(&self, _service: ServiceId, query: &LogQuery) -> Result<Vec<LogLine>> {
        Ok(vec![LogLine {
            time: self.clock.now(),
            stream: LogStream::Stderr,
            text: "DATABASE_URL is not set".into(),
            instance: InstanceId::from_random([0; 16]),
            deployment: query.deployment.unwrap_or(DeploymentId::from_random([0; 16])),
            next: LogPosition::default(),
            lost_before: false,
        }])
    }

    async fn follow(
        &self,
        _service: ServiceId,
        _query: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine>>> {
        Ok(stream::empty().boxed())
    }

    async fn remove(&self, _service: ServiceId) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Router for World {
    async fn install(&self, certificates: &CertificateSet) -> Result<()> {
        self.authority.installed(certificates)
    }

    async fn publish(&self, table: &RouteTable) -> Result<()> {
        assert!(
            table.generation > self.table.lock().unwrap().generation,
            "a table must be newer than the one before"
        );
        *self.table.lock().unwrap() = table.clone();
        self.tables.lock().unwrap().push(table.clone());
        Ok(())
    }

    async fn table(&self) -> Result<RouteTable> {
        Ok(self.table.lock().unwrap().clone())
    }

    async fn traffic(&self, _: &[TrafficMark]) -> Result<Vec<ProcessTraffic>> {
        Ok(self.traffic.lock().unwrap().clone())
    }

    async fn drain(&self, instance: InstanceId, _limit: Duration) -> Result<u64> {
        let table = self.table.lock().unwrap().clone();
        let routed = table.routes.iter().flat_map(|route| &route.backends).any(|b| b.instance == instance);
        assert!(!routed, "an instance is drained only after its route is gone");
        let gate = self.drain_gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.notified().await;
        }
        Ok(0)
    }

    async fn probe(
        &self,
        address: SocketAddr,
        _request: Option<&HttpCheck>,
        _timeout: Duration,
    ) -> Result<(), ProbeFailure> {
        let running = self.running.lock().unwrap();
        let found = running.values().find(|(report, _)| report.address == Some(address.ip()));
        let Some((_, digest)) = found else { return Err(ProbeFailure::Refused) };
        match self.behaviour.lock().unwrap().get(digest) {
            Some(Behaviour::Serves) => Ok(()),
            _ => Err(ProbeFailure::Refused),
        }
    }
}

impl TraceSink for World {
    fn accept(&self, spans: Vec<Span>) {
        self.traces.lock().unwrap().push(spans);
    }
}
