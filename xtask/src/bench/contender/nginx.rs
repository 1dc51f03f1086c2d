//! nginx as Debian has it: as the upstream that answers, and as the reverse proxy to be matched.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use tempfile::TempDir;

use crate::bed::{Process, eventually, free_port, http, is_installed};

/// Configuration of an upstream: one worker, one file.
pub(in super::super) fn static_answers(port: u16) -> String {
    format!(
        "user root; worker_processes 1; pid /tmp/nginx.pid; error_log stderr error;\n\
         events {{ worker_connections 4096; }}\n\
         http {{ access_log off; keepalive_requests 1000000000; sendfile on; open_file_cache max=10;\n\
         client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; \
         scgi_temp_path /tmp/s;\n\
         server {{ listen {port} backlog=4096; root /www; }} }}\n"
    )
}

/// nginx with two workers as a reverse proxy that keeps its upstream connections.
pub(in super::super) struct ReverseProxy {
    port: u16,
    _process: Process,
    _folder: TempDir,
}

impl ReverseProxy {
    /// Starts it before this upstream.
    pub(in super::super) fn start(upstream: SocketAddr) -> Result<Self> {
        if !is_installed("nginx") {
            bail!("`nginx` is not installed (`apt-get install nginx-light`)");
        }
        let folder = tempfile::Builder::new().prefix("mirage-nginx-").tempdir()?;
        let port = free_port()?;
        let dir = folder.path().display();
        let configuration = format!(
            "user root; worker_processes 2; pid {dir}/pid; error_log stderr error;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log off; keepalive_requests 1000000000;\n\
             client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; \
             scgi_temp_path {dir}/s;\n\
             upstream u {{ server {upstream}; keepalive 128; keepalive_requests 1000000000; }}\n\
             server {{ listen 127.0.0.1:{port} reuseport backlog=4096; location / {{ proxy_pass http://u; \
             proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $host; \
             proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto http; }} }} }}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), configuration)?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(folder.path().join("nginx.conf")).args(["-g", "daemon off;"]);
        let process = Process::start(&mut command, folder.path(), "nginx")?;
        let url = format!("http://127.0.0.1:{port}/");
        eventually("nginx's answer", Duration::from_secs(10), || {
            http::get(&url).ok().filter(|answer| answer.status == 200)
        })?;
        Ok(Self { port, _process: process, _folder: folder })
    }

    /// Where it listens.
    pub(in super::super) fn port(&self) -> u16 {
        self.port
    }
}
