//! A small world behind the ports: an image that runs at once and one that does not, a proxy in memory.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use mirage_control::Finding;
use mirage_core::port::{
    Archive, AuthorityRefusal, CertificateAuthority, CertificateOrder, ChallengeStage, Clock, HeldRepository,
    ImageStore, InstanceEngine, LogReader, LoginCheck, Progress, PullProgress, Randomness, Registry, Router,
    Sighting, VolumeSize, VolumeStore,
};
use mirage_core::{
    Attachments, Code, Digest, Domain, Error, Exit, HttpCheck, ImageConfig, InstanceId, InstanceReport,
    InstanceSpec, InstanceState, LogLine, LogPosition, LogQuery, LogStream, Login, Platform, Port, Presence,
    ProbeFailure, Quota, Reference, Repository, ResolvedImage, Result, RouteTable, Secret, ServiceId, Tag,
    TagListing, Validity, VolumeId,
};
use tokio::sync::Notify;

use super::logbook::Logbook;

/// Everything that is not the control plane.
pub(super) struct World {
    began: Instant,
    random: AtomicU64,
    instances: Mutex<BTreeMap<InstanceId, InstanceReport>>,
    changed: Notify,
    table: Mutex<RouteTable>,
    last: Mutex<Option<InstanceReport>>,
    /// What services wrote that run.
    pub(super) logs: Logbook,
    /// What the process of a broken image says.
    pub(super) said: Mutex<Vec<String>>,
    /// Why it does not start.
    pub(super) why: Mutex<String>,
    /// What images say of themselves, where it is not the usual.
    pub(super) config: Mutex<Option<ImageConfig>>,
    /// What registries refuse everything with, if they do.
    pub(super) refusal: Mutex<Option<Error>>,
    /// Who asked registries for an image: host, user name, password.
    pub(super) logins: Mutex<Vec<(String, String, String)>>,
    /// What the built-in registry holds.
    pub(super) held: Mutex<Vec<HeldRepository>>,
    /// A pull is over.
    pub(super) pulled: Notify,
    is_pulled: AtomicBool,
    /// Whether nobody answers a probe.
    pub(super) sick: AtomicBool,
    /// What stands in the way on this machine.
    pub(super) findings: Mutex<Vec<Finding>>,
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
            logs: Logbook::default(),
            said: Mutex::default(),
            why: Mutex::default(),
            config: Mutex::default(),
            refusal: Mutex::default(),
            logins: Mutex::default(),
            held: Mutex::default(),
            pulled: Notify::new(),
            is_pulled: AtomicBool::new(false),
            sick: AtomicBool::new(false),
            findings: Mutex::default(),
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

/// Has every tag of every repository but `missing`; `private` wants the login of `ci` with the password `sesame`.
#[async_trait]
impl Registry for World {
    async fn resolve(
        &self,
        reference: &Reference,
        platform: &Platform,
        login: Option<&Login>,
    ) -> Result<ResolvedImage> {
        self.let_in(reference, login)?;
        let number = reference.identifier().bytes().last().unwrap_or(0);
        let usual = ImageConfig {
            command: vec!["/web".into()],
            user: "web".into(),
            ports: vec![Port::new(8080).unwrap()],
            ..ImageConfig::default()
        };
        let config = self.config.lock().unwrap().clone().unwrap_or(usual);
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
        Ok(super::images::page_of(&self.held.lock().unwrap(), repository, after, most))
    }

    async fn doomed(&self, repository: &Repository, tag: Option<&Tag>) -> Result<Option<Vec<Digest>>> {
        Ok(super::images::take(&mut self.held.lock().unwrap().clone(), repository, tag))
    }

    async fn remove_held(&self, repository: &Repository, tag: Option<&Tag>) -> Result<Option<Vec<Digest>>> {
        Ok(super::images::take(&mut self.held.lock().unwrap(), repository, tag))
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
        match reference.repository().last() {
            "missing" => Err(Error::new(Code::ImageNotFound, format!("`{host}` has no image `{image}`"))
                .hint("check the repository and the tag")),
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
    async fn read(&self, service: ServiceId, query: &LogQuery) -> Result<Vec<LogLine>> {
        if self.logs.knows(service) {
            return Ok(self.logs.read(service, query));
        }
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

    async fn follow(
        &self,
        service: ServiceId,
        query: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine>>> {
        Ok(self.logs.follow(service, query))
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
