//! The real binary, started as a user starts it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::disk::Disk;
use super::http::{self, Request, Response};
use super::ports::free_port;
use super::process::Process;
use super::residue;
use super::wait::eventually;

/// How a platform is started.
#[derive(Clone, Default)]
pub struct PlatformOptions {
    /// More words after `mirage serve`.
    pub arguments: Vec<String>,
    /// Puts the data folder on an ext4 of its own with so many MiB.
    pub disk_mib: Option<u64>,
}

/// `mirage serve` with a data folder and ports of its own. Dropping it takes everything down.
pub struct Platform {
    binary: PathBuf,
    options: PlatformOptions,
    api: u16,
    proxy: u16,
    serve: Option<Process>,
    came_up: bool,
    // Fields are dropped in this order: the disk is unmounted before its folder is removed.
    disk: Option<Disk>,
    folder: TempDir,
}

/// What a verb of the command line did.
#[derive(Clone, Debug)]
pub struct Cli {
    /// Exit code; -1 after a signal.
    pub code: i32,
    /// Data.
    pub stdout: String,
    /// Narration.
    pub stderr: String,
}

impl Platform {
    /// Starts the platform and waits until it is ready.
    ///
    /// # Errors
    /// Where it ends, or is not ready within thirty seconds; what it wrote is in the message.
    pub fn start(binary: &Path, options: PlatformOptions) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("mirage-bed-").tempdir()?;
        let (api, proxy) = (free_port()?, free_port()?);
        let disk = options.disk_mib.map(|mib| Disk::make(folder.path(), mib)).transpose()?;
        let binary = binary.to_path_buf();
        let mut platform = Self { binary, options, api, proxy, serve: None, came_up: false, disk, folder };
        platform.serve()?;
        platform.came_up = true;
        Ok(platform)
    }

    /// Starts `mirage serve` again, after [`Self::kill_control`] or [`Self::stop_control`].
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn serve(&mut self) -> Result<()> {
        let mut command = self.command();
        // In the command line, and not in the environment: that is how its processes are found.
        command.arg("serve").arg("--data-dir").arg(self.data());
        command.args(self.addresses()).args(&self.options.arguments);
        let mut serve = Process::start(&mut command, self.folder.path(), "serve")?;
        let ready =
            eventually("readiness", Duration::from_secs(30), || match self.api("GET", "/readyz", None) {
                Ok(answer) if answer.status == 200 => Some(true),
                _ if !serve.is_running() => Some(false),
                _ => None,
            });
        if !ready.as_ref().is_ok_and(|ready| *ready) {
            bail!("`mirage serve` did not come up ({ready:?}):\n{}{}", serve.stdout(), serve.stderr());
        }
        self.serve = Some(serve);
        Ok(())
    }

    /// Kills the control process with SIGKILL. Containers and proxy are not asked.
    pub fn kill_control(&mut self) {
        self.serve = None;
    }

    /// Ends the control process with SIGTERM and waits for it.
    ///
    /// # Errors
    /// Where it takes more than thirty seconds.
    pub fn stop_control(&mut self) -> Result<()> {
        if let Some(mut serve) = self.serve.take() {
            serve.signal(Signal::SIGTERM)?;
            serve.wait(Duration::from_secs(30))?;
        }
        Ok(())
    }

    /// Ends everything that belongs to this platform, and answers with what is left of it.
    ///
    /// # Errors
    /// Where `mirage down` fails.
    pub fn down(&mut self) -> Result<Vec<String>> {
        self.stop_control()?;
        let marks = self.marks();
        let down = self.cli(&["down"])?;
        if down.code != 0 {
            bail!("`mirage down` exits with {}: {}{}", down.code, down.stdout, down.stderr);
        }
        let left = || {
            let mut left = residue::carrying(&marks);
            left.retain(|thing| self.disk.is_none() || *thing != format!("mount {}", self.data().display()));
            left
        };
        // A killed process is in the table until its parent has heard of it.
        let gone =
            eventually("nothing being left", Duration::from_secs(5), || left().is_empty().then_some(()));
        Ok(if gone.is_ok() { Vec::new() } else { left() })
    }

    /// The verbs of the command line, against this platform.
    ///
    /// # Errors
    /// Where the binary cannot be started.
    pub fn cli(&self, words: &[&str]) -> Result<Cli> {
        self.run(self.command().args(words))
    }

    /// The same, with more control over the process.
    ///
    /// # Errors
    /// As [`Self::cli`].
    pub fn run(&self, command: &mut Command) -> Result<Cli> {
        let output = command.stdin(Stdio::null()).output().context("the binary cannot be started")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap_or(-1);
        Ok(Cli { code, stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }

    /// The binary with the environment that leads it to this platform.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .env_clear()
            .env("PATH", crate::settings::path())
            .env("MIRAGE_DATA_DIR", self.data())
            .env("MIRAGE_URL", format!("http://127.0.0.1:{}", self.api))
            .env("HOME", self.folder.path());
        command
    }

    /// One request to the REST face, with the administrator's token.
    ///
    /// # Errors
    /// Where nobody answers.
    pub fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Response> {
        let bearer = format!("Bearer {}", self.token());
        let body = body.map(Value::to_string).unwrap_or_default();
        Request {
            method,
            address: ([127, 0, 0, 1], self.api).into(),
            host: "127.0.0.1",
            path,
            headers: &[("authorization", &bearer), ("content-type", "application/json")],
            body: body.as_bytes(),
            patience: Duration::from_secs(60),
        }
        .send()
    }

    /// Asks the proxy for `/` of a host such as `web-production`, within the base domain.
    ///
    /// # Errors
    /// Where the proxy does not answer.
    pub fn visit(&self, label: &str) -> Result<Response> {
        http::get(&self.url(label))
    }

    /// Asks the proxy until it answers 200; answers with how long that took.
    ///
    /// # Errors
    /// After ten seconds.
    pub fn until_served(&self, label: &str) -> Result<Duration> {
        let (since, limit) = (Instant::now(), Duration::from_secs(10));
        while !self.visit(label).is_ok_and(|answer| answer.status == 200) {
            if since.elapsed() > limit {
                bail!("`{label}` does not answer 200");
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        Ok(since.elapsed())
    }

    /// Where the first instance of a service of the default environment answers, behind the proxy.
    ///
    /// # Errors
    /// Where the service has no instance.
    pub fn backend(&self, service: &str, port: u16) -> Result<SocketAddr> {
        self.backend_in("production", service, port)
    }

    /// The same in another environment.
    ///
    /// # Errors
    /// As [`Self::backend`].
    pub fn backend_in(&self, environment: &str, service: &str, port: u16) -> Result<SocketAddr> {
        let path = format!("/api/services/default%2F{environment}%2F{service}");
        let shown = self.api("GET", &path, None)?.json()?;
        let address = shown["instances"][0]["address"].as_str();
        let address = address.with_context(|| format!("no instance in {shown}"))?;
        let ip = address.parse().or_else(|_| address.parse().map(|at: SocketAddr| at.ip()))?;
        Ok(SocketAddr::new(ip, port))
    }

    /// The address of a service with this first label.
    pub fn url(&self, label: &str) -> String {
        format!("http://{label}.localhost:{}/", self.proxy)
    }

    /// Port of the proxy.
    pub fn proxy_port(&self) -> u16 {
        self.proxy
    }

    /// Port of API and registry.
    pub fn api_port(&self) -> u16 {
        self.api
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The administrator's token; empty before the first start.
    pub fn token(&self) -> String {
        std::fs::read_to_string(self.data().join("admin.token")).unwrap_or_default().trim().to_owned()
    }

    /// What `mirage serve` has said, over all its lives.
    pub fn narration(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("serve.err")).unwrap_or_default()
    }

    /// Process id of the control process, while it runs.
    pub fn control_id(&self) -> Option<u32> {
        self.serve.as_ref().map(Process::id)
    }

    /// Ids of every process that belongs to this platform, by its data folder in the command line.
    pub fn processes(&self) -> Vec<(u32, String)> {
        let marked = residue::carrying(&self.marks());
        marked
            .iter()
            .filter_map(|thing| thing.strip_prefix("process ")?.split_once(' '))
            .filter_map(|(id, line)| Some((id.parse().ok()?, line.to_owned())))
            .collect()
    }

    fn addresses(&self) -> [String; 4] {
        let at = |port: u16| format!("127.0.0.1:{port}");
        ["--listen".into(), at(self.api), "--proxy-listen".into(), at(self.proxy)]
    }

    /// What everything of this platform can be told by.
    fn marks(&self) -> Vec<String> {
        residue::marks_of(&self.data())
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        match self.down() {
            Ok(left) if left.is_empty() => {}
            // A failing test or start has its own message; a second panic would hide it.
            _ if std::thread::panicking() || !self.came_up => {}
            Ok(left) => fail(&format!("left behind:\n{}", left.join("\n"))),
            Err(error) => fail(&format!("{error:#}")),
        }
    }
}

#[expect(clippy::panic, reason = "fails the test that left something behind")]
fn fail(why: &str) {
    panic!("the platform did not go down cleanly: {why}");
}
