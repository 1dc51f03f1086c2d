//! The real binary, started as a user starts it.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
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
    /// More variables of the environment of `mirage serve`.
    pub variables: Vec<(String, String)>,
    /// The group it runs as, instead of this process' own.
    pub group: Option<u32>,
    /// Opens the sockets of API and proxy beforehand and holds them, as systemd does.
    pub handed: bool,
    /// With these also one for the proxy's TLS.
    pub handed_tls: bool,
}

/// `mirage serve` with a data folder and ports of its own. Dropping it takes everything down.
pub struct Platform {
    binary: PathBuf,
    options: PlatformOptions,
    api: u16,
    proxy: u16,
    serve: Option<Process>,
    came_up: bool,
    /// Sockets of API and proxy, where `mirage serve` does not open them.
    held: Option<[TcpListener; 2]>,
    /// With them that of the proxy's TLS.
    held_tls: Option<TcpListener>,
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

impl Cli {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap_or(-1);
        Self { code, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

impl Platform {
    /// Starts the platform and waits until it is ready.
    ///
    /// # Errors
    /// Where it ends, or is not ready within thirty seconds; what it wrote is in the message.
    pub fn start(binary: &Path, options: PlatformOptions) -> Result<Self> {
        let mut platform = Self::unstarted(binary, options)?;
        platform.serve()?;
        Ok(platform)
    }

    /// A platform that is yet to be: its folder is empty, and [`Self::serve`] starts it.
    ///
    /// # Errors
    /// Where it has no room.
    pub fn unstarted(binary: &Path, options: PlatformOptions) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("mirage-bed-").tempdir()?;
        let (mut api, mut proxy) = (free_port()?, free_port()?);
        let held = match options.handed {
            true => Some([TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?]),
            false => None,
        };
        if let Some([of_api, of_proxy]) = &held {
            (api, proxy) = (of_api.local_addr()?.port(), of_proxy.local_addr()?.port());
        }
        let held_tls = options.handed_tls.then(|| TcpListener::bind("127.0.0.1:0")).transpose()?;
        let disk = options.disk_mib.map(|mib| Disk::make(folder.path(), mib)).transpose()?;
        let binary = binary.to_path_buf();
        Ok(Self { binary, options, api, proxy, serve: None, came_up: false, held, held_tls, disk, folder })
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
        command.envs(self.options.variables.iter().map(|(name, value)| (name, value)));
        if let Some(group) = self.options.group {
            command.gid(group);
        }
        let mut serve = match &self.held {
            None => Process::start(&mut command, self.folder.path(), "serve")?,
            Some([api, proxy]) => {
                let files = [api.try_clone()?.into(), proxy.try_clone()?.into()];
                let tls = self.held_tls.as_ref().map(TcpListener::try_clone).transpose()?;
                Process::start_handed(&command, (files, tls.map(Into::into)), self.folder.path(), "serve")?
            }
        };
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
        self.came_up = true;
        Ok(())
    }

    /// Kills the control process with SIGKILL, and is back before it is gone.
    pub fn kill_without_waiting(&mut self) {
        if let Some(serve) = self.serve.take() {
            // Killed already is what was wanted.
            serve.signal(Signal::SIGKILL).ok();
            std::thread::spawn(move || drop(serve));
        }
    }

    /// Kills the control process with SIGKILL. Containers and proxy are not asked.
    pub fn kill_control(&mut self) {
        self.serve = None;
    }

    /// Has the control process crash with SIGABRT, and answers how it ended.
    ///
    /// # Errors
    /// Where it does not run, or goes on.
    pub fn crash_control(&mut self) -> Result<ExitStatus> {
        let mut serve = self.serve.take().context("the control process does not run")?;
        serve.signal(Signal::SIGABRT)?;
        serve.ended(Duration::from_secs(30))
    }

    /// Waits until the control process has ended by itself, and answers how.
    ///
    /// # Errors
    /// Where it does not run, or goes on for ten seconds.
    pub fn control_ended(&mut self) -> Result<ExitStatus> {
        let mut serve = self.serve.take().context("the control process does not run")?;
        serve.ended(Duration::from_secs(10))
    }

    /// Cuts the power: every process ends at once, and the disk has what was brought to it (`fsync`), no more. To be
    /// started again with [`Self::serve`]. The kernel's own things are taken away as by a start of the machine.
    ///
    /// # Errors
    /// Where the data folder has no disk of its own.
    pub fn cut_power(&mut self) -> Result<()> {
        self.kill_without_waiting();
        let gone = || {
            let left = self.processes();
            for (id, _) in &left {
                // One that has ended meanwhile is as dead as the others.
                kill(Pid::from_raw(id.cast_signed()), Signal::SIGKILL).ok();
            }
            left.is_empty().then_some(())
        };
        eventually("the end of every process", Duration::from_secs(10), gone)?;
        let reached = self.disk.as_ref().context("there is no disk of its own")?.reached()?;
        let down = self.cli(&["down"])?;
        if down.code != 0 {
            bail!("`mirage down` exits with {}: {}{}", down.code, down.stdout, down.stderr);
        }
        self.disk.as_mut().map_or(Ok(()), |disk| disk.begin_with(&reached))
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

    /// The same with something on standard input.
    ///
    /// # Errors
    /// As [`Self::cli`], and where the verb ends before it has read all of it.
    pub fn cli_told(&self, words: &[&str], input: &str) -> Result<Cli> {
        let mut command = self.command();
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("the binary cannot be started")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes())?;
        }
        Ok(Cli::of(&child.wait_with_output()?))
    }

    /// The same, with more control over the process.
    ///
    /// # Errors
    /// As [`Self::cli`].
    pub fn run(&self, command: &mut Command) -> Result<Cli> {
        let output = command.stdin(Stdio::null()).output().context("the binary cannot be started")?;
        Ok(Cli::of(&output))
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

    /// Port of the proxy's TLS, where its socket was opened beforehand.
    pub fn tls_port(&self) -> Option<u16> {
        self.held_tls.as_ref()?.local_addr().map(|address| address.port()).ok()
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
