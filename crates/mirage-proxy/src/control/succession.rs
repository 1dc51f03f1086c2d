//! Taking over from a running proxy, seen from the new one.
//!
//! The listeners themselves change hands, not only their addresses. A listener that is closed takes
//! the connections in its queue with it, even where another one on the same address goes on
//! (`SO_REUSEPORT`); one that is handed over is never closed, so nothing is refused or reset.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mirage_core::port::Router;
use mirage_core::{CertificateSet, Code, Error, InstanceId, ProcessTraffic, Result, RouteTable, TrafficMark};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::client::ProxyHandle;
use super::descriptors;
use super::wire::{Command, Inheritance, InheritedSocket, LONGEST_LINE, Reply};
use crate::load::Open;
use crate::record::SOCKET;

/// How long each step of a take-over may take.
const STEP: Duration = Duration::from_secs(10);

/// What the process before has left, and the line to it.
pub(crate) struct Succession {
    pub(crate) sockets: Vec<InheritedSocket>,
    pub(crate) table: RouteTable,
    pub(crate) certificates: CertificateSet,
    line: Line,
    socket: PathBuf,
}

/// A process that was replaced and finishes what it has begun.
pub(crate) struct Predecessor {
    line: Line,
}

struct Line(BufReader<UnixStream>);

/// Asks a running proxy for its sockets and its table; `None` where none is running.
pub(crate) async fn take_over(run: &Path) -> Result<Option<Succession>> {
    let stream = match UnixStream::connect(run.join(SOCKET)).await {
        Ok(stream) => stream,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(refused(error)),
    };
    let mut line = Line(BufReader::new(stream));
    let inheritance = match line.ask(&Command::HandOver).await.map_err(refused)? {
        Reply::HandingOver { inheritance } => inheritance,
        Reply::Refused { code, message, hint } => return Err(Reply::refusal(code, message, hint)),
        other => return Err(refused(io::Error::other(format!("unexpected answer {other:?}")))),
    };
    let sockets = line.receive(&inheritance).await.map_err(refused)?;
    let socket = run.join(&inheritance.socket);
    let Inheritance { table, certificates, .. } = inheritance;
    Ok(Some(Succession { sockets, table, certificates: certificates.into(), line, socket }))
}

impl Succession {
    /// A handle on the process before, beside the line to it.
    pub(crate) fn asked(&self) -> PredecessorHandle {
        PredecessorHandle(ProxyHandle::at(self.socket.clone()))
    }

    /// Tells the process before that everything it accepted until now was its last.
    pub(crate) async fn retire_predecessor(mut self) -> Result<Predecessor> {
        match self.line.ask(&Command::Retire).await.map_err(refused)? {
            Reply::Done => Ok(Predecessor { line: self.line }),
            other => Err(refused(io::Error::other(format!("unexpected answer {other:?}")))),
        }
    }
}

impl Predecessor {
    /// Waits until the process has ended.
    pub(crate) async fn ended(mut self) {
        let mut rest = Vec::new();
        let _ = (&mut self.line.0).take(1024).read_to_end(&mut rest).await;
    }
}

/// What a process that was replaced can still be asked.
#[derive(Clone)]
pub(crate) struct PredecessorHandle(ProxyHandle);

impl PredecessorHandle {
    /// Lets the requests on connections that it still has follow a new table.
    pub(crate) async fn follow(&self, table: &RouteTable) {
        if let Err(error) = self.0.follow(table).await {
            tracing::debug!(?error, "the proxy before this one did not take the new table");
        }
    }

    /// Waits for the requests that it still has open; none where it has ended.
    pub(crate) async fn drain(&self, instance: InstanceId, limit: Duration) -> Open {
        self.0.drain_open(instance, limit).await.unwrap_or_default()
    }

    /// What it has counted; nothing where it has ended.
    pub(crate) async fn traffic(&self, after: &[TrafficMark]) -> Vec<ProcessTraffic> {
        self.0.traffic(after).await.unwrap_or_default()
    }
}

impl Line {
    async fn ask(&mut self, command: &Command) -> io::Result<Reply> {
        self.tell(command).await?;
        let mut reply = Vec::new();
        let read = (&mut self.0).take(LONGEST_LINE);
        let mut read = std::pin::pin!(read);
        timeout(STEP, read.read_until(b'\n', &mut reply)).await??;
        if reply.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_slice(&reply)?)
    }

    async fn tell(&mut self, command: &Command) -> io::Result<()> {
        let mut line = serde_json::to_vec(command)?;
        line.push(b'\n');
        timeout(STEP, self.0.get_mut().write_all(&line)).await?
    }

    async fn receive(&mut self, inheritance: &Inheritance) -> io::Result<Vec<InheritedSocket>> {
        self.tell(&Command::Sockets).await?;
        let stream = self.0.get_ref();
        let mut descriptors = Vec::new();
        while descriptors.len() < inheritance.sockets.len() {
            let receive = || descriptors::receive(stream.as_fd());
            descriptors.extend(timeout(STEP, stream.async_io(Interest::READABLE, receive)).await??);
        }
        let sockets = inheritance.sockets.iter().zip(descriptors);
        Ok(sockets.map(|(purpose, descriptor)| InheritedSocket { purpose: *purpose, descriptor }).collect())
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn refused(error: io::Error) -> Error {
    Error::new(Code::Conflict, "the running proxy does not hand over")
        .hint("`proxy.json` in its folder names the process; end it, then start again")
        .because(error)
}
