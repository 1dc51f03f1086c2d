//! A small world behind the ports: two images, processes that run at once, a proxy in memory.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use mirage_core::port::{
    AuthorityRefusal, CertificateAuthority, CertificateOrder, ChallengeStage, Clock, ImageStore,
    InstanceEngine, LogReader, LoginCheck, Progress, PullProgress, Randomness, Registry, Router, Sighting,
};
use mirage_core::{
    Attachments, Code, Digest, Domain, Error, HttpCheck, ImageConfig, InstanceId, InstanceReport,
    InstanceSpec, InstanceState, LogLine, LogPosition, LogQuery, LogStream, Login, Platform, Port, Presence,
    ProbeFailure, Quota, Reference, ResolvedImage, Result, RouteTable, Secret, ServiceId, TagListing,
    Validity,
};
use tokio::sync::{Notify, watch};

/// Everything that is not the control plane.
pub(super) struct World {
    began: Instant,
    random: AtomicU64,
    instances: Mutex<BTreeMap<InstanceId, InstanceReport>>,
    changed: Notify,
    lines: watch::Sender<Vec<LogLine>>,
    table: Mutex<RouteTable>,
    /// While set, every instance is unwell.
    pub(super) unwell: Mutex<bool>,
}

impl World {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            random: AtomicU64::new(1),
            instances: Mutex::default(),
            changed: Notify::new(),
            lines: watch::Sender::new(Vec::new()),
            table: Mutex::default(),
            unwell: Mutex::new(false),
        })
    }

    /// Lets the first instance there is write a line.
    pub(super) fn write_line(&self, text: &str) {
        self.write_line_as(0, text);
    }

    /// Lets the instance at this place write a line.
    pub(super) fn write_line_as(&self, place: usize, text: &str) {
        let instances = self.instances.lock().unwrap();
        let report = instances.values().nth(place).unwrap();
        self.lines.send_modify(|lines| {
            let next = LogPosition { segment: 0, offset: 100 * (lines.len() as u64 + 1) };
            let (instance, deployment) = (report.id, report.deployment);
            let stream = LogStream::Stdout;
            lines.push(LogLine {
                time: self.now(),
                stream,
                text: text.to_owned(),
                instance,
                deployment,
                next,
                lost_before: false,
            });
        });
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

/// Knows `registry.test/acme/web` with the tags 1 and 2, and `acme/careless`.
#[async_trait]
impl Registry for World {
    async fn resolve(
        &self,
        reference: &Reference,
        platform: &Platform,
        _: Option<&Login>,
    ) -> Result<ResolvedImage> {
        let number = match (reference.repository().as_str(), reference.identifier().as_str()) {
            ("acme/web", "1") | ("acme/careless", _) => 1,
            ("acme/web", "2") => 2,
            _ => {
                let message = format!("`{}` has no tag `{}`", reference.repository(), reference.identifier());
                return Err(Error::new(Code::ImageNotFound, message)
                    .hint("look at what is there with `skopeo list-tags`"));
            }
        };
        if platform.architecture != "amd64" {
            return Err(Error::new(
                Code::NoMatchingPlatform,
                format!("`{reference}` is not built for `{platform}`"),
            ));
        }
        let mut config = ImageConfig {
            command: vec!["/web".into()],
            user: "web".into(),
            ports: vec![Port::new(8080).unwrap()],
            ..ImageConfig::default()
        };
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
    async fn pull(&self, _: &ResolvedImage, _: Option<&Login>, _: Arc<dyn Progress>) -> Result<PullProgress> {
        Ok(PullProgress::default())
    }

    async fn is_present(&self, _: &ResolvedImage) -> bool {
        true
    }

    async fn start(&self, spec: &InstanceSpec) -> Result<InstanceReport> {
        let report = InstanceReport {
            id: spec.id,
            service: spec.service,
            deployment: spec.deployment,
            state: InstanceState::Running { since: self.now() },
            address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            pid: Some(1),
        };
        self.instances.lock().unwrap().insert(spec.id, report.clone());
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
    async fn read(&self, _: ServiceId, query: &LogQuery) -> Result<Vec<LogLine>> {
        let found: Vec<LogLine> =
            self.lines.borrow().iter().filter(|line| wanted(line, query)).cloned().collect();
        let skipped = found.len().saturating_sub(query.limit.unwrap_or(found.len()));
        Ok(found[skipped..].to_vec())
    }

    async fn follow(&self, _: ServiceId, query: LogQuery) -> Result<BoxStream<'static, Result<LogLine>>> {
        let lines = self.lines.subscribe();
        let from = query.limit.map_or(0, |limit| {
            let there = lines.borrow();
            let last = there.iter().enumerate().filter(|(_, line)| wanted(line, &query)).rev().take(limit);
            last.last().map_or(there.len(), |(at, _)| at)
        });
        let all = stream::unfold((lines, from), async |(mut lines, seen)| {
            let line = lines.wait_for(|all| all.len() > seen).await.ok()?[seen].clone();
            Some((line, (lines, seen + 1)))
        });
        Ok(all.filter(move |line| std::future::ready(wanted(line, &query))).map(Ok).boxed())
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
        if *self.unwell.lock().unwrap() { Err(ProbeFailure::Refused) } else { Ok(()) }
    }
}

fn wanted(line: &LogLine, query: &LogQuery) -> bool {
    query.grep.as_ref().is_none_or(|text| line.text.contains(text))
        && query.test.as_ref().is_none_or(|test| test.passes(&line.text))
        && query.since.is_none_or(|since| line.time >= since)
        && query.after.iter().all(|(id, place)| line.instance != *id || line.next > *place)
        && (query.others_after.is_none_or(|time| line.time > time)
            || query.after.iter().any(|(id, _)| line.instance == *id))
}

/// Takes one chain and one key, and gives none.
#[async_trait]
impl CertificateAuthority for World {
    fn directory(&self) -> &str {
        "https://ca.test/directory"
    }

    fn check(&self, chain: &str, key: &Secret, _: &Domain) -> Result<Validity> {
        if chain != "a chain" || key.reveal() != "its key" {
            let message = "the private key does not belong to the certificate";
            return Err(Error::new(Code::InvalidRequest, message).field("key"));
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
