//! A small world behind the ports: an image that runs at once and one that does not, a proxy in memory.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use mirage_core::port::{
    Archive, AuthorityRefusal, CertificateAuthority, CertificateOrder, ChallengeStage, Clock, ImageStore,
    InstanceEngine, LogReader, LoginCheck, Progress, PullProgress, Randomness, Registry, Router, Sighting,
    VolumeSize, VolumeStore,
};
use mirage_core::{
    Attachments, Code, Digest, Domain, Error, Exit, HttpCheck, ImageConfig, InstanceId, InstanceReport,
    InstanceSpec, InstanceState, LogLine, LogPosition, LogQuery, LogStream, Login, Platform, Port, Presence,
    ProbeFailure, Quota, Reference, ResolvedImage, Result, RouteTable, Secret, ServiceId, Validity, VolumeId,
};
use tokio::sync::Notify;

/// Everything that is not the control plane.
pub(super) struct World {
    began: Instant,
    random: AtomicU64,
    instances: Mutex<BTreeMap<InstanceId, InstanceReport>>,
    changed: Notify,
    table: Mutex<RouteTable>,
    last: Mutex<Option<InstanceReport>>,
    /// What the process of a broken image says.
    pub(super) said: Mutex<Vec<String>>,
    /// Why it does not start.
    pub(super) why: Mutex<String>,
    /// A pull is over.
    pub(super) pulled: Notify,
    is_pulled: AtomicBool,
    /// Whether nobody answers a probe.
    pub(super) sick: AtomicBool,
}

impl World {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            random: AtomicU64::new(1),
            instances: Mutex::default(),
            changed: Notify::new(),
            table: Mutex::default(),
            last: Mutex::default(),
            said: Mutex::default(),
            why: Mutex::default(),
            pulled: Notify::new(),
            is_pulled: AtomicBool::new(false),
            sick: AtomicBool::new(false),
        })
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        start + self.began.elapsed()
    }
}

impl Randomness for World {
    fn bytes32(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let number = self.random.fetch_add(1, Ordering::Relaxed);
        bytes[24..].copy_from_slice(&number.to_be_bytes());
        bytes
    }
}

/// Has every tag of every repository.
#[async_trait]
impl Registry for World {
    async fn resolve(
        &self,
        reference: &Reference,
        platform: &Platform,
        _: Option<&Login>,
    ) -> Result<ResolvedImage> {
        let number = reference.identifier().bytes().last().unwrap_or(0);
        let config = ImageConfig {
            command: vec!["/web".into()],
            user: "web".into(),
            ports: vec![Port::new(8080).unwrap()],
            ..ImageConfig::default()
        };
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

    async fn check_login(&self, _: &Login) -> Result<LoginCheck> {
        Ok(LoginCheck::Accepted)
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

#[async_trait]
impl ImageStore for World {
    async fn pull(&self, _: &ResolvedImage, _: Option<&Login>, _: Arc<dyn Progress>) -> Result<PullProgress> {
        Ok(PullProgress::default())
    }

    async fn is_present(&self, _: &ResolvedImage) -> bool {
        true
    }

    async fn layers(&self, _: &ResolvedImage) -> Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }

    async fn collect(&self, _: &HashSet<Digest>) -> Result<u64> {
        Ok(0)
    }
}

#[async_trait]
impl InstanceEngine for World {
    async fn pull(
        &self,
        _: &ResolvedImage,
        _: Option<&Login>,
        progress: Arc<dyn Progress>,
    ) -> Result<PullProgress> {
        let layers =
            vec![(Digest::sha256([7; 32]), 3 << 20, 1 << 20), (Digest::sha256([8; 32]), 1 << 20, 1 << 20)];
        let (bytes_total, bytes_done) = (4 << 20, 2 << 20);
        let half = PullProgress { layers_total: 4, layers_moved: 2, bytes_total, bytes_done, layers };
        progress.report(&half);
        self.pulled.notified().await;
        self.is_pulled.store(true, Ordering::Relaxed);
        Ok(half)
    }

    /// A large one has to be pulled, which lasts until [`World::pulled`].
    async fn is_present(&self, image: &ResolvedImage) -> bool {
        image.reference.identifier() != "large" || self.is_pulled.load(Ordering::Relaxed)
    }

    async fn start(&self, spec: &InstanceSpec) -> Result<InstanceReport> {
        let broken = spec.image.reference.identifier() == "broken";
        let state = match broken {
            true => InstanceState::Exited(Exit {
                code: Some(1),
                signal: None,
                oom: false,
                start_error: Some(self.why.lock().unwrap().clone()),
                at: self.now(),
            }),
            false => InstanceState::Running { since: self.now() },
        };
        let report = InstanceReport {
            id: spec.id,
            service: spec.service,
            deployment: spec.deployment,
            state,
            address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            pid: Some(1),
        };
        self.instances.lock().unwrap().insert(spec.id, report.clone());
        *self.last.lock().unwrap() = Some(report.clone());
        self.changed.notify_waiters();
        Ok(report)
    }

    async fn stop(&self, id: InstanceId, _: Duration) -> Result<()> {
        self.instances.lock().unwrap().remove(&id);
        self.changed.notify_waiters();
        Ok(())
    }

    async fn list(&self) -> Result<Vec<InstanceReport>> {
        Ok(self.instances.lock().unwrap().values().cloned().collect())
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    async fn listening(&self, _: InstanceId) -> Result<Vec<SocketAddr>> {
        Ok(Vec::new())
    }

    fn resolver(&self, _: u16) -> Ipv4Addr {
        Ipv4Addr::LOCALHOST
    }

    fn logs(&self) -> &dyn LogReader {
        self
    }
}

#[async_trait]
impl LogReader for World {
    async fn read(&self, _: ServiceId, _: &LogQuery) -> Result<Vec<LogLine>> {
        let last = self.last.lock().unwrap();
        let Some(report) = last.as_ref() else { return Ok(Vec::new()) };
        let line = |text: &String| LogLine {
            time: self.now(),
            stream: LogStream::Stdout,
            text: text.clone(),
            instance: report.id,
            deployment: report.deployment,
            next: LogPosition { segment: 0, offset: 1 },
            lost_before: false,
        };
        Ok(self.said.lock().unwrap().iter().map(line).collect())
    }

    async fn follow(&self, _: ServiceId, _: LogQuery) -> Result<BoxStream<'static, Result<LogLine>>> {
        Ok(stream::empty().boxed())
    }

    async fn remove(&self, _: ServiceId) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Router for World {
    async fn publish(&self, table: &RouteTable) -> Result<()> {
        *self.table.lock().unwrap() = table.clone();
        Ok(())
    }

    async fn table(&self) -> Result<RouteTable> {
        Ok(self.table.lock().unwrap().clone())
    }

    async fn drain(&self, _: InstanceId, _: Duration) -> Result<u64> {
        Ok(0)
    }

    async fn probe(&self, _: SocketAddr, _: Option<&HttpCheck>, _: Duration) -> Result<(), ProbeFailure> {
        match self.sick.load(Ordering::Relaxed) {
            true => Err(ProbeFailure::Refused),
            false => Ok(()),
        }
    }
}

/// Gives no certificates.
#[async_trait]
impl CertificateAuthority for World {
    fn directory(&self) -> &str {
        "https://ca.test/directory"
    }

    fn check(&self, chain: &str, _: &Secret, _: &Domain) -> Result<Validity> {
        if chain.starts_with("expired") {
            return Err(Error::new(Code::InvalidRequest, "the certificate has expired").field("certificate"));
        }
        Ok(Validity {
            from: "2026-11-01T00:00:00Z".parse().unwrap(),
            until: "2027-11-01T00:00:00Z".parse().unwrap(),
        })
    }

    fn new_key(&self) -> Result<Secret> {
        Ok("a key".to_owned().into())
    }

    async fn register(&self) -> Result<Secret, AuthorityRefusal> {
        Err(Error::new(Code::TargetUnavailable, "the certificate authority is closed").hint("wait").into())
    }

    async fn obtain(
        &self,
        _: &CertificateOrder<'_>,
        _: &dyn ChallengeStage,
    ) -> Result<String, AuthorityRefusal> {
        Err(Error::new(Code::TargetUnavailable, "the certificate authority is closed").into())
    }
}

/// No volumes.
#[async_trait]
impl VolumeStore for World {
    async fn size(&self, _: VolumeId) -> Result<Option<VolumeSize>> {
        Ok(None)
    }

    async fn remove(&self, _: VolumeId) -> Result<()> {
        Ok(())
    }

    async fn backup(&self, _: VolumeId) -> Result<Archive> {
        Err(Error::new(Code::NotFound, "the volume has no data yet"))
    }

    async fn restore(&self, _: VolumeId, _: Archive) -> Result<()> {
        Ok(())
    }
}
