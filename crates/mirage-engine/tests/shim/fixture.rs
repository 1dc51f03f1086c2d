//! An image of busybox, and instances of it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use mirage_core::port::Clock;
use mirage_core::{DeploymentId, Exit, InstanceId, Resources, ServiceId};
use mirage_engine::cgroup::{Cgroup, Hierarchies};
use mirage_engine::shim::client::{Decoder, SocketName, encode};
use mirage_engine::shim::{BoundFile, LogPlace, Phase, Process, Request, ShimSpec, ShimState, state};
use nix::sched::CloneFlags;

/// How long anything may take before a test gives it up.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one clock of this test program")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// What this machine lacks for these tests.
pub(crate) fn missing() -> Option<&'static str> {
    if !nix::unistd::geteuid().is_root() {
        return Some("root");
    }
    (!Path::new("/bin/busybox").exists()).then_some("/bin/busybox (package busybox-static)")
}

pub(crate) fn runc() -> Option<&'static str> {
    ["/usr/sbin/runc", "/usr/bin/runc"].into_iter().find(|path| Path::new(path).exists())
}

/// An image, a network namespace, and a place for instances.
pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) layer: PathBuf,
    network: File,
    runtime: Option<&'static str>,
    count: AtomicU64,
}

impl Bench {
    pub(crate) fn new(runtime: Option<&'static str>) -> Self {
        let folder = tempfile::Builder::new().prefix("mirage-shim-").tempdir().unwrap();
        let layer = folder.path().join("layer");
        make_image(&layer);
        Self { folder, layer, network: new_network(), runtime, count: AtomicU64::new(0) }
    }

    /// A shell script in a container, changed by `change`.
    pub(crate) fn start_with(&self, script: &str, change: impl FnOnce(&mut ShimSpec)) -> Instance {
        let mut spec = self.spec(&["/bin/sh", "-c", script]);
        change(&mut spec);
        self.start_spec(spec)
    }

    pub(crate) fn start(&self, script: &str) -> Instance {
        self.start_with(script, |_| {})
    }

    /// What a script prints and how it ends.
    pub(crate) fn output_with(&self, script: &str, change: impl FnOnce(&mut ShimSpec)) -> (String, Exit) {
        let mut instance = self.start_with(script, change);
        let exit = instance.exit();
        (instance.log(), exit)
    }

    pub(crate) fn output(&self, script: &str) -> (String, Exit) {
        self.output_with(script, |_| {})
    }

    pub(crate) fn spec(&self, arguments: &[&str]) -> ShimSpec {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&std::process::id().to_be_bytes());
        bytes[4] = u8::from(self.runtime.is_some());
        bytes[8..].copy_from_slice(&number.to_be_bytes());
        let instance = InstanceId::from_random(bytes);
        let dir = self.folder.path().join(format!("i{number}"));
        fs::create_dir_all(dir.join("writable")).unwrap();
        fs::write(dir.join("hosts"), "127.0.0.1 localhost\n").unwrap();
        ShimSpec {
            instance,
            service: ServiceId::from_random(bytes),
            deployment: DeploymentId::from_random(bytes),
            process: Process {
                arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
                variables: vec![("SECRET".into(), "hunter2".into())],
                user: String::new(),
                working_directory: String::new(),
                stop_signal: None,
            },
            layers: vec![self.layer.clone()],
            writable: dir.join("writable"),
            network_namespace: format!("/proc/{}/fd/{}", std::process::id(), self.network.as_raw_fd()).into(),
            hostname: "web-1".into(),
            files: vec![BoundFile { source: dir.join("hosts"), target: "/etc/hosts".into() }],
            volumes: Vec::new(),
            resources: Resources::default(),
            allow_new_privileges: false,
            log: LogPlace { directory: dir.join("log"), max_bytes: 1 << 20 },
            cgroup: format!("/mirage-test-{}/{instance}", std::process::id()),
            runtime: self.runtime.map(PathBuf::from),
            start_seconds: 30,
            grace_millis: 10_000,
        }
    }

    pub(crate) fn start_spec(&self, spec: ShimSpec) -> Instance {
        let dir = spec.writable.parent().unwrap().to_owned();
        fs::write(ShimSpec::path(&dir), serde_json::to_vec(&spec).unwrap()).unwrap();
        let mut shim = Command::new("/proc/self/exe")
            .arg("shim")
            .arg(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let variables = serde_json::to_vec(&spec.process.variables).unwrap();
        shim.stdin.take().unwrap().write_all(&variables).unwrap();
        // The first byte says that the socket is there.
        let mut first = [0];
        shim.stdout.take().unwrap().read_exact(&mut first).expect("the shim comes up");
        let socket = UnixStream::connect(SocketName::open(&dir).unwrap().path()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let group = Hierarchies::detect().unwrap().group(&spec.cgroup).unwrap();
        Instance { dir, shim, socket, decoder: Decoder::default(), group, last: None }
    }

    pub(crate) fn is_runc(&self) -> bool {
        self.runtime.is_some()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let parent = Hierarchies::detect().unwrap().group(&format!("/mirage-test-{}", std::process::id()));
        let _ = parent.unwrap().remove();
    }
}

/// A shim with its container.
pub(crate) struct Instance {
    pub(crate) dir: PathBuf,
    pub(crate) shim: Child,
    pub(crate) group: Cgroup,
    socket: UnixStream,
    decoder: Decoder,
    last: Option<ShimState>,
}

impl Instance {
    /// The next state that the shim tells, or `None` when it has hung up.
    pub(crate) fn next_state(&mut self) -> Option<ShimState> {
        loop {
            if let Some(state) = self.decoder.next_state().unwrap() {
                self.last = Some(state.clone());
                return Some(state);
            }
            let mut bytes = [0; 4096];
            match self.socket.read(&mut bytes).expect("the shim answers in time") {
                0 => return None,
                length => self.decoder.push(&bytes[..length]),
            }
        }
    }

    /// The container's first process, once it runs.
    pub(crate) fn running(&mut self) -> i32 {
        loop {
            match self.next_state().expect("the shim stays").phase {
                Phase::Starting => {}
                Phase::Running { process, .. } => return process.pid,
                other => panic!("running expected, not {other:?}"),
            }
        }
    }

    /// How it ended. By then the shim is gone, and nothing of the container is left.
    pub(crate) fn exit(&mut self) -> Exit {
        while self.next_state().is_some() {}
        assert!(self.shim.wait().unwrap().success());
        let written = state::read(&self.dir).unwrap();
        assert_eq!(self.last.as_ref(), Some(&written), "the last word on the socket is the one on disk");
        assert!(self.group.paths().iter().all(|path| !path.exists()), "no control group is left");
        match written.phase {
            Phase::Exited { exit } => exit,
            other => panic!("exited expected, not {other:?}"),
        }
    }

    pub(crate) fn ask(&mut self, request: &Request) {
        self.socket.write_all(&encode(request)).unwrap();
    }

    /// What it wrote, without times.
    pub(crate) fn log(&self) -> String {
        self.log_lines().iter().map(|(_, text)| format!("{text}\n")).collect()
    }

    /// Stream and text of each line.
    pub(crate) fn log_lines(&self) -> Vec<(String, String)> {
        let mut files: Vec<PathBuf> =
            fs::read_dir(self.dir.join("log")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        files.sort();
        let all: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        let parts = |line: &str| {
            let mut parts = line.splitn(4, ' ');
            let stream = parts.nth(1).unwrap().to_owned();
            (stream, parts.nth(1).unwrap().to_owned())
        };
        all.lines().map(parts).collect()
    }

    /// Waits until the log holds a line; the container is expected to write it.
    pub(crate) fn wait_for_line(&self, wanted: &str) {
        let since = std::time::Instant::now();
        while !self.log_lines().iter().any(|(_, text)| text == wanted) {
            assert!(since.elapsed() < PATIENCE, "no `{wanted}` in the log: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.socket.write_all(&encode(&Request::Kill {}));
        let _ = self.shim.wait();
        let _ = self.group.end(PATIENCE);
    }
}

fn make_image(layer: &Path) {
    for folder in ["bin", "etc", "home/app", "tmp"] {
        fs::create_dir_all(layer.join(folder)).unwrap();
    }
    fs::set_permissions(layer.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::copy("/bin/busybox", layer.join("bin/busybox")).unwrap();
    let applets = Command::new("/bin/busybox").arg("--list").output().unwrap().stdout;
    for applet in String::from_utf8(applets).unwrap().lines().filter(|name| *name != "busybox") {
        symlink("busybox", layer.join("bin").join(applet)).unwrap();
    }
    fs::write(layer.join("etc/passwd"), "root::0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n")
        .unwrap();
    fs::write(layer.join("etc/group"), "root:x:0:\napp:x:1001:\naudio:x:29:app\n").unwrap();
    fs::write(layer.join("bin/plain"), "no program").unwrap();
    fs::copy("/bin/busybox", layer.join("bin/busybox-setuid")).unwrap();
    fs::set_permissions(layer.join("bin/busybox-setuid"), fs::Permissions::from_mode(0o4755)).unwrap();
    symlink("../run/nowhere/hosts", layer.join("etc/hosts")).unwrap();
}

/// A fresh network namespace, held open.
fn new_network() -> File {
    std::thread::spawn(|| {
        nix::sched::unshare(CloneFlags::CLONE_NEWNET).unwrap();
        File::open("/proc/thread-self/ns/net").unwrap()
    })
    .join()
    .unwrap()
}
