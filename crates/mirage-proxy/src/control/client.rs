//! The proxy as the control plane sees it.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use mirage_core::port::Router;
use mirage_core::{
    CertificateSet, Code, Error, HttpCheck, InstanceId, ProbeFailure, ProcessTraffic, Result, RouteTable,
    TrafficMark,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};
use zeroize::Zeroizing;

use super::wire::{Command, LONGEST_LINE, Reply, Status};
use crate::load::Open;
use crate::probe;
use crate::record::{ProxyRecord, SOCKET};

/// How long the proxy may take for what should take no time.
const PROMPT: Duration = Duration::from_secs(10);

/// How long a take-over may keep a new table waiting, and how often it is asked again.
const SUCCESSION: Duration = Duration::from_secs(10);
const SUCCESSION_PAUSE: Duration = Duration::from_millis(20);

/// How often it is tried again where too many wait to be let in.
const CROWDED_PAUSE: Duration = Duration::from_millis(50);

/// A proxy process, reached over its control socket. Each call opens a connection of its own, so a
/// proxy that was replaced in between is no special case.
#[derive(Clone, Debug)]
pub struct ProxyHandle {
    socket: PathBuf,
}

impl ProxyHandle {
    /// The proxy that keeps its files in this folder, running or not.
    pub fn new(run: &Path) -> Self {
        Self { socket: run.join(SOCKET) }
    }

    pub(super) fn at(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// How the proxy is. Fails with `TARGET_UNAVAILABLE` where none is running.
    pub async fn status(&self) -> Result<Status> {
        match self.call(&Command::Status, PROMPT).await? {
            Reply::Status { status } => Ok(status),
            other => Err(surprised(&other)),
        }
    }

    /// The process that is behind the socket, whether it answers or not; `None` where there is none, or it cannot be told.
    pub async fn process(&self) -> Option<u32> {
        match UnixStream::connect(&self.socket).await {
            Ok(stream) => stream.peer_cred().ok()?.pid()?.try_into().ok(),
            // So many wait already that nobody else may connect.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.recorded(),
            Err(_) => None,
        }
    }

    /// The process by its record, which only the one in charge has.
    fn recorded(&self) -> Option<u32> {
        let run = self.socket.parent()?;
        let link = run.join(SOCKET);
        if self.socket != link && self.socket.file_name() != std::fs::read_link(link).ok()?.file_name() {
            return None;
        }
        ProxyRecord::read(run).filter(ProxyRecord::is_alive).map(|record| record.pid)
    }

    /// Waits until a proxy answers, as after starting one.
    pub async fn ready(&self, limit: Duration) -> Result<Status> {
        let deadline = Instant::now() + limit;
        loop {
            match self.status().await {
                Err(_) if Instant::now() < deadline => sleep(SUCCESSION_PAUSE).await,
                result => return result,
            }
        }
    }

    /// Publishes a table that starts a new count of generations: it replaces any other.
    pub async fn publish_anew(&self, table: &RouteTable) -> Result<()> {
        self.publish_as(table, true).await
    }

    /// Like [`Router::drain`], with requests and upgraded connections told apart.
    pub async fn drain_open(&self, instance: InstanceId, limit: Duration) -> Result<Open> {
        match self.call(&Command::drain(instance, limit), limit + PROMPT).await? {
            Reply::Drained { open } => Ok(open),
            other => Err(surprised(&other)),
        }
    }

    /// Ends the proxy: it accepts nothing more and finishes what has begun, within the limit.
    /// Answers with what had to be broken off.
    pub async fn shutdown(&self, limit: Duration) -> Result<Open> {
        match self.call(&Command::Shutdown { limit_millis: millis(limit) }, limit + PROMPT).await? {
            Reply::Drained { open } => Ok(open),
            other => Err(surprised(&other)),
        }
    }

    async fn publish_as(&self, table: &RouteTable, new_epoch: bool) -> Result<()> {
        self.insist(&Command::Publish { table: table.clone(), new_epoch }).await
    }

    /// Asks again while a proxy hands over to another one, which then takes it.
    async fn insist(&self, command: &Command) -> Result<()> {
        let deadline = Instant::now() + SUCCESSION;
        loop {
            match self.call(command, PROMPT).await.and_then(done) {
                Err(error) if is_succession(&error) && Instant::now() < deadline => {
                    sleep(SUCCESSION_PAUSE).await
                }
                result => return result,
            }
        }
    }

    pub(super) async fn call(&self, command: &Command, limit: Duration) -> Result<Reply> {
        let reply = timeout(limit, self.exchange(command)).await.map_err(|_| {
            Error::new(
                Code::DeadlineExceeded,
                format!("the proxy at `{}` did not answer in time", self.socket.display()),
            )
            .hint("`mirage doctor` tells how the proxy is")
        })?;
        match reply.map_err(|error| self.unreachable(error))? {
            Reply::Refused { code, message, hint } => Err(Reply::refusal(code, message, hint)),
            reply => Ok(reply),
        }
    }

    async fn exchange(&self, command: &Command) -> io::Result<Reply> {
        // Certificates come with their keys.
        let mut line = Zeroizing::new(serde_json::to_vec(command)?);
        line.push(b'\n');
        let mut stream = self.connect().await?;
        stream.write_all(&line).await?;
        let mut reply = Vec::new();
        BufReader::new(stream).take(LONGEST_LINE).read_until(b'\n', &mut reply).await?;
        if reply.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_slice(&reply)?)
    }

    /// Connects, once the process lets it: one that is stuck takes no more than may wait.
    pub(super) async fn connect(&self) -> io::Result<UnixStream> {
        loop {
            match UnixStream::connect(&self.socket).await {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(CROWDED_PAUSE).await,
                connected => return connected,
            }
        }
    }

    fn unreachable(&self, error: io::Error) -> Error {
        Error::new(
            Code::TargetUnavailable,
            format!("the proxy does not answer at `{}`", self.socket.display()),
        )
        .hint("`mirage serve` starts it; its log says why it ended")
        .because(error)
    }
}

#[async_trait]
impl Router for ProxyHandle {
    async fn publish(&self, table: &RouteTable) -> Result<()> {
        self.publish_as(table, false).await
    }

    async fn table(&self) -> Result<RouteTable> {
        match self.call(&Command::Table, PROMPT).await? {
            Reply::Table { table } => Ok(table),
            other => Err(surprised(&other)),
        }
    }

    async fn install(&self, certificates: &CertificateSet) -> Result<()> {
        self.insist(&Command::Install { certificates: certificates.clone().into() }).await
    }

    async fn drain(&self, instance: InstanceId, limit: Duration) -> Result<u64> {
        Ok(self.drain_open(instance, limit).await?.total())
    }

    async fn probe(
        &self,
        address: SocketAddr,
        request: Option<&HttpCheck>,
        timeout: Duration,
    ) -> Result<(), ProbeFailure> {
        probe::probe(address, request, timeout).await
    }

    async fn traffic(&self, after: &[TrafficMark]) -> Result<Vec<ProcessTraffic>> {
        match self.call(&Command::Traffic { after: after.to_vec() }, PROMPT).await? {
            Reply::Traffic { processes } => Ok(processes),
            other => Err(surprised(&other)),
        }
    }
}

/// Said by a proxy that is handing over to its successor.
pub(crate) const SUCCESSION_MESSAGE: &str = "the proxy is handing over to its successor";

fn is_succession(error: &Error) -> bool {
    error.code() == Code::Conflict && error.message() == SUCCESSION_MESSAGE
}

fn done(reply: Reply) -> Result<()> {
    match reply {
        Reply::Done => Ok(()),
        other => Err(surprised(&other)),
    }
}

fn surprised(reply: &Reply) -> Error {
    Error::internal("understand the proxy", anyhow::anyhow!("unexpected answer {reply:?}"))
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
