//! Docker Engine, started by hand with folders of its own.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::{Process, eventually, free_port, http, is_installed, run};

/// A `dockerd` of its own. There must never be two on a machine: the second one takes the first
/// one's bridge away.
pub struct Docker {
    folder: TempDir,
    daemon: Process,
}

impl Docker {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// Where there is no `dockerd`, or another one has been here.
    pub fn start() -> Result<Self> {
        if let Some(obstacle) = Self::obstacle()? {
            bail!("{obstacle} (`apt-get install docker.io`; `ip link delete docker0` when no dockerd runs)");
        }
        let folder = tempfile::Builder::new().prefix("mirage-docker-").tempdir()?;
        let path = |name: &str| folder.path().join(name);
        let mut command = Command::new("dockerd");
        command
            .arg("--data-root")
            .arg(path("data"))
            .arg("--exec-root")
            .arg(path("exec"))
            .arg("--pidfile")
            .arg(path("pid"))
            .arg("--host")
            .arg(format!("unix://{}", path("s").display()))
            .args(["--log-level", "warn"]);
        let daemon = Process::start(&mut command, folder.path(), "dockerd")?;
        let docker = Self { folder, daemon };
        eventually("dockerd's answer", Duration::from_secs(60), || docker.call(&["version"]).ok())
            .with_context(|| docker.daemon.stderr())?;
        Ok(docker)
    }

    /// Whether one could be started on this machine, and why not.
    ///
    /// # Errors
    /// Where what may be in the way cannot be looked at.
    pub fn obstacle() -> Result<Option<&'static str>> {
        Ok(if !is_installed("dockerd") {
            Some("needs docker.io")
        } else if std::fs::exists("/run/docker.pid")? || std::fs::exists("/sys/class/net/docker0")? {
            Some("a dockerd runs, or has left its bridge behind")
        } else {
            None
        })
    }

    /// `docker …` against it.
    ///
    /// # Errors
    /// Where it ends with anything but 0.
    pub fn call(&self, words: &[&str]) -> Result<String> {
        let host = format!("unix://{}", self.socket().display());
        let settings = self.folder.path().join("settings").display().to_string();
        run("docker", &[&["--host", &host, "--config", &settings], words].concat())
    }

    /// `docker run -p` of an image that serves on 8080, until its first 200; then removes the container.
    ///
    /// # Errors
    /// Where it does not answer within half a minute.
    pub fn run_until_served(&self, reference: &str) -> Result<f64> {
        let port = free_port()?;
        let publish = format!("127.0.0.1:{port}:8080");
        let since = std::time::Instant::now();
        let id = self.call(&[
            "run",
            "--detach",
            "--memory",
            "256m",
            "--cpus",
            "1",
            "--publish",
            &publish,
            reference,
        ])?;
        let millis = until_200(port).map(|()| since.elapsed().as_secs_f64() * 1e3);
        self.call(&["rm", "--force", id.trim()])?;
        millis
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // What is left of it is reported by the next start.
        self.daemon.signal(Signal::SIGTERM).ok();
        self.daemon.wait(Duration::from_secs(30)).ok();
        run("ip", &["link", "delete", "docker0"]).ok();
    }
}

/// Asks a port of loopback every half millisecond until it answers 200.
///
/// # Errors
/// Where it does not within half a minute.
pub fn until_200(port: u16) -> Result<()> {
    let since = std::time::Instant::now();
    let url = format!("http://127.0.0.1:{port}/");
    while since.elapsed() < Duration::from_secs(30) {
        if TcpStream::connect(("127.0.0.1", port)).is_ok()
            && http::get(&url).is_ok_and(|answer| answer.status == 200)
        {
            return Ok(());
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    bail!("port {port} does not answer 200")
}
