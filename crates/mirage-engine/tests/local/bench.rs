//! A machine, an image of busybox, and the engine on it.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use mirage_core::port::{Clock, ImageStore, InstanceEngine, Progress, PullProgress};
use mirage_core::{Digest, ImageConfig, Login, Name, Platform, ResolvedImage, Result};
use mirage_engine::conformance::{Bench, Outcome};
use mirage_engine::local::{LocalConfig, LocalEngine};
use nix::mount::{MsFlags, mount};

pub(crate) const NODE: &str = "7e57";

pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one clock of this test program")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// One folder as every image's only layer.
struct OneLayer(PathBuf);

#[async_trait]
impl ImageStore for OneLayer {
    async fn pull(&self, _: &ResolvedImage, _: Option<&Login>, _: Arc<dyn Progress>) -> Result<PullProgress> {
        Ok(PullProgress::default())
    }

    async fn is_present(&self, _: &ResolvedImage) -> bool {
        true
    }

    async fn layers(&self, _: &ResolvedImage) -> Result<Vec<PathBuf>> {
        Ok(vec![self.0.clone()])
    }

    async fn collect(&self, _: &HashSet<Digest>) -> Result<u64> {
        Ok(0)
    }
}

pub(crate) struct LocalBench {
    folder: tempfile::TempDir,
    engine: Mutex<Option<Arc<LocalEngine>>>,
    count: AtomicU64,
    before: Traces,
}

/// What an engine could leave behind on a machine.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    links: String,
    rules: String,
    mounts: usize,
    groups: Vec<String>,
    shims: usize,
}

impl LocalBench {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("mirage-local-").tempdir().unwrap();
        make_image(&folder.path().join("layer"));
        let bench =
            Self { folder, engine: Mutex::default(), count: AtomicU64::default(), before: Traces::now() };
        bench.open().await;
        bench
    }

    pub(crate) fn local(&self) -> Arc<LocalEngine> {
        self.engine.lock().unwrap().clone().unwrap()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// Lets the engine go, as the death of its process would, runs `meanwhile`, and opens another.
    pub(crate) async fn restart_after(&self, meanwhile: impl FnOnce()) {
        let old = self.engine.lock().unwrap().take().unwrap();
        assert_eq!(Arc::strong_count(&old), 1, "somebody still holds the old engine");
        drop(old);
        meanwhile();
        self.open().await;
    }

    pub(crate) async fn teardown(&self) -> Outcome {
        let engine = self.local();
        engine.teardown(Duration::from_secs(1)).await.map_err(|error| format!("{error:?}"))?;
        let after = Traces::now();
        if after != self.before {
            return Err(format!("before {:?}\n    after  {after:?}", self.before));
        }
        let left: Vec<_> =
            fs::read_dir(self.run()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    }

    async fn open(&self) {
        let config = LocalConfig {
            data: self.data(),
            run: self.run(),
            node: NODE.into(),
            network: None,
            pool: 8,
            images: Arc::new(OneLayer(self.folder.path().join("layer"))),
            clock: Arc::new(SystemClock),
            shim: vec![std::env::current_exe().unwrap().into(), "shim".into()],
            exec: vec![std::env::current_exe().unwrap().into(), "runner-of-commands".into()],
            runtime: None,
        };
        let engine = LocalEngine::open(config).await.unwrap();
        *self.engine.lock().unwrap() = Some(Arc::new(engine));
    }
}

#[async_trait]
impl Bench for LocalBench {
    fn engine(&self) -> Arc<dyn InstanceEngine> {
        self.local()
    }

    async fn restart(&self) {
        self.restart_after(|| {}).await;
    }

    fn restarts(&self) -> bool {
        true
    }

    fn image(&self) -> ResolvedImage {
        let digest = Digest::sha256([7; 32]);
        let platform = Platform::linux(std::env::consts::ARCH);
        ResolvedImage {
            reference: "127.0.0.1:5000/test/busybox:1".parse().unwrap(),
            digest: digest.clone(),
            manifest: digest,
            platforms: vec![platform.clone()],
            platform,
            size_bytes: 0,
            layers: 1,
            config: ImageConfig::default(),
        }
    }

    fn name(&self) -> Name {
        "web".parse().unwrap()
    }

    fn random(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&std::process::id().to_be_bytes());
        bytes[8..].copy_from_slice(&self.count.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        bytes
    }
}

impl Traces {
    fn now() -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let groups =
            output("find", &["/sys/fs/cgroup", "-maxdepth", "2", "-name", &format!("mirage-{NODE}")]);
        Self {
            links: output("ip", &["-o", "link"]),
            rules: output("nft", &["list", "ruleset"]),
            mounts: mounts.lines().filter(|line| line.contains("mirage-local-")).count(),
            groups: groups.lines().map(str::to_owned).collect(),
            shims: shims(),
        }
    }
}

/// How many of our shims live.
fn shims() -> usize {
    let ours = std::env::current_exe().unwrap();
    let is_shim = |folder: &Path| {
        let arguments = fs::read(folder.join("cmdline")).unwrap_or_default();
        arguments.starts_with(ours.as_os_str().as_encoded_bytes())
            && arguments.windows(6).any(|bytes| bytes == b"\0shim\0")
    };
    fs::read_dir("/proc").unwrap().filter(|entry| is_shim(&entry.as_ref().unwrap().path())).count()
}

/// What this machine lacks for these tests.
pub(crate) fn missing() -> Option<&'static str> {
    if !nix::unistd::geteuid().is_root() {
        return Some("root");
    }
    (!Path::new("/bin/busybox").exists()).then_some("/bin/busybox (package busybox-static)")
}

/// Gives the machine that we are alone on what every machine has.
pub(crate) fn make_machine() {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
    output("ip", &["link", "set", "lo", "up"]);
}

pub(crate) fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn make_image(layer: &Path) {
    for folder in ["bin", "etc", "proc", "sys", "dev", "tmp"] {
        fs::create_dir_all(layer.join(folder)).unwrap();
    }
    fs::copy("/bin/busybox", layer.join("bin/busybox")).unwrap();
    for applet in output("/bin/busybox", &["--list"]).lines().filter(|applet| *applet != "busybox") {
        symlink("busybox", layer.join("bin").join(applet)).unwrap();
    }
    for file in ["hosts", "hostname", "resolv.conf"] {
        fs::write(layer.join("etc").join(file), "").unwrap();
    }
    fs::write(layer.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
}
