//! nginx as Debian has it: as the upstream that answers, and as the reverse proxy to be matched.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::bed::{Process, eventually, free_port, http, is_installed};

/// An nginx on a port of loopback.
pub(in super::super) struct Nginx {
    port: u16,
    process: Process,
    _folder: TempDir,
}

impl Nginx {
    /// One worker that answers every request with 1 KiB.
    pub(in super::super) fn answering() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("mirage-nginx-").tempdir()?;
        std::fs::create_dir(folder.path().join("www"))?;
        std::fs::write(folder.path().join("www/index.html"), "x".repeat(1024))?;
        let port = free_port()?;
        let configuration = static_answers(&format!("127.0.0.1:{port}"), folder.path());
        Self::start(folder, port, &configuration)
    }

    /// Two workers that pass requests on to this upstream and keep their connections to it.
    pub(in super::super) fn before(upstream: SocketAddr) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("mirage-nginx-").tempdir()?;
        let port = free_port()?;
        let general = general(2, folder.path());
        let configuration = format!(
            "{general} upstream u {{ server {upstream}; keepalive 128; keepalive_requests 1000000000; }}\n\
             server {{ listen 127.0.0.1:{port} reuseport backlog=4096; location / {{ proxy_pass http://u;\n\
             proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $http_host;\n\
             proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;\n\
             proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Port $server_port; }} }} }}\n"
        );
        Self::start(folder, port, &configuration)
    }

    /// Where it listens.
    pub(in super::super) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    fn start(folder: TempDir, port: u16, configuration: &str) -> Result<Self> {
        if !is_installed("nginx") {
            bail!("`nginx` is not installed (`apt-get install nginx-light`)");
        }
        std::fs::write(folder.path().join("nginx.conf"), configuration)?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(folder.path().join("nginx.conf")).args(["-g", "daemon off;"]);
        let process = Process::start(&mut command, folder.path(), "nginx")?;
        let url = format!("http://127.0.0.1:{port}/");
        eventually("nginx's answer", Duration::from_secs(10), || {
            http::get(&url).ok().filter(|answer| answer.status == 200)
        })?;
        Ok(Self { port, process, _folder: folder })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killed at once, it would leave its workers behind.
        self.process.signal(Signal::SIGTERM).ok();
        self.process.wait(Duration::from_secs(5)).ok();
    }
}

/// Configuration of an upstream: one worker, files below `<folder>/www`.
pub(in super::super) fn static_answers(listen: &str, folder: &Path) -> String {
    let (general, root) = (general(1, folder), folder.join("www"));
    format!(
        "{general} sendfile on; open_file_cache max=10;\n\
         server {{ listen {listen} backlog=4096; root {}; }} }}\n",
        root.display()
    )
}

/// What both roles have in common, up to the inside of the `http` block.
fn general(workers: u32, folder: &Path) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|kind| format!("{kind}_temp_path {}/{kind};", folder.display())).join("\n");
    format!(
        "user root; worker_processes {workers}; pid {}/pid; error_log stderr error;\n\
         events {{ worker_connections 4096; }}\n\
         http {{ access_log off; keepalive_requests 1000000000;\n{temporary}\n",
        folder.display()
    )
}
