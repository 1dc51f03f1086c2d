//! Podman with folders of its own and runc as its runtime.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use tempfile::TempDir;

use crate::bed::until_200;
use crate::bed::{free_port, is_installed, run};

/// Podman's storage in a folder of its own.
pub(in super::super) struct Podman {
    folder: TempDir,
}

impl Podman {
    /// Makes the folder.
    pub(in super::super) fn start() -> Result<Self> {
        if !is_installed("podman") {
            bail!("`podman` is not installed (`apt-get install podman`)");
        }
        Ok(Self { folder: tempfile::Builder::new().prefix("mirage-podman-").tempdir()? })
    }

    /// `podman …` on it.
    pub(in super::super) fn call(&self, words: &[&str]) -> Result<String> {
        let root = self.folder.path().join("root");
        let state = self.folder.path().join("run");
        let (root, state) = (root.to_string_lossy().into_owned(), state.to_string_lossy().into_owned());
        // crun of Debian 12 refuses every container on hybrid cgroups.
        let fixed =
            ["--root", &root, "--runroot", &state, "--runtime", "runc", "--cgroup-manager", "cgroupfs"];
        run("podman", &[&fixed, words].concat())
    }

    /// `podman pull` from a registry without TLS.
    pub(in super::super) fn pull(&self, reference: &str) -> Result<()> {
        self.call(&["pull", "--quiet", "--tls-verify=false", reference]).map(|_| ())
    }

    /// `podman run -p` of an image that serves on 8080, until its first 200; then removes the container.
    pub(in super::super) fn run_until_served(&self, reference: &str) -> Result<f64> {
        let port = free_port()?;
        let publish = format!("127.0.0.1:{port}:8080");
        let since = std::time::Instant::now();
        // Its own defaults are more than a machine without CAP_SYS_RESOURCE may ask for.
        let limits = ["--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"];
        let words = [&["run", "--detach", "--tls-verify=false"], &limits[..]].concat();
        let more = ["--memory", "256m", "--publish", &publish, reference];
        let id = self.call(&[&words[..], &more].concat())?;
        let millis = until_200(port).map(|()| since.elapsed().as_secs_f64() * 1e3);
        self.call(&["rm", "--force", "--time", "0", id.trim()])?;
        millis
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // Overlay mounts below the folder would keep it from being removed.
        self.call(&["rmi", "--all", "--force"]).ok();
        unmount_below(self.folder.path());
    }
}

fn unmount_below(folder: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let below = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .filter(|path| Path::new(path).starts_with(folder));
    for path in below {
        Command::new("umount").args(["--lazy", path]).stderr(Stdio::null()).status().ok();
    }
}
