//! Taking over from a running proxy, seen from the new one.
//!
//! The listeners themselves change hands, not only their addresses. A listener that is closed takes
//! the connections in its queue with it, even where another one on the same address goes on
//! (`SO_REUSEPORT`); one that is handed over is never closed, so nothing is refused or reset.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use mirage_core::{CertificateSet, Code, Error, Result, RouteTable};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::descriptors;
use super::predecessors::{self, Lifeline, Other};
use super::wire::{Command, Inheritance, InheritedSocket, LONGEST_LINE, Reply};
use crate::record::SOCKET;

/// How long each step of a take-over may take.
pub(crate) const STEP: Duration = Duration::from_secs(10);

/// What the process before has left, and the line to it.
pub(crate) struct Succession {
    pub(crate) sockets: Vec<InheritedSocket>,
    pub(crate) table: RouteTable,
    pub(crate) certificates: CertificateSet,
    /// The name of the socket of the process before.
    pub(crate) socket: String,
    line: Line,
}

/// What is said to a process, and what it answers.
struct Line(BufReader<UnixStream>);

/// Asks a running proxy for its sockets and its table, `None` where none is running; and which processes still finish
/// what they began before that one.
pub(crate) async fn take_over(run: &Path) -> Result<(Option<Succession>, Vec<Other>)> {
    match UnixStream::connect(run.join(SOCKET)).await {
        Ok(stream) => {
            let succession = succeed(stream).await?;
            // Only who hands over is none of the others: whoever was in charge a moment ago may be one by now, and may
            // not have heard yet that it is to retire.
            let others = predecessors::others(run, Some(&succession.socket)).await;
            Ok((Some(succession), others))
        }
        Err(error) if is_absent(&error) => {
            let mut others = predecessors::others(run, None).await;
            // Its successor died before it had told it to retire.
            let hidden = others.iter().position(|other| other.accepts() && other.line.is_some());
            match hidden.and_then(|at| others.swap_remove(at).line) {
                Some(line) => Ok((Some(succeed(line.0).await?), others)),
                None => Ok((None, others)),
            }
        }
        Err(error) => Err(refused(error)),
    }
}

async fn succeed(stream: UnixStream) -> Result<Succession> {
    let mut line = Line(BufReader::new(stream));
    let inheritance = match line.ask(&Command::HandOver).await.map_err(refused)? {
        Reply::HandingOver { inheritance } => inheritance,
        Reply::Refused { code, message, hint } => return Err(Reply::refusal(code, message, hint)),
        other => return Err(refused(io::Error::other(format!("unexpected answer {other:?}")))),
    };
    let sockets = line.receive(&inheritance).await.map_err(refused)?;
    let Inheritance { table, certificates, socket, .. } = inheritance;
    Ok(Succession { sockets, table, certificates: certificates.into(), socket, line })
}

impl Succession {
    /// Tells the process before that everything it accepted until now was its last. One that is stuck hears it when it
    /// moves again, which may be never: the answer is waited for without a limit.
    ///
    /// # Errors
    /// Where it has ended, or says something else.
    pub(crate) async fn retire_predecessor(mut self) -> Result<Lifeline> {
        self.line.tell(&Command::Retire { adopts: true }).await.map_err(refused)?;
        match self.line.hear().await.map_err(refused)? {
            Reply::Done => Ok(Lifeline(self.line.0.into_inner())),
            other => Err(refused(io::Error::other(format!("unexpected answer {other:?}")))),
        }
    }
}

impl Line {
    async fn ask(&mut self, command: &Command) -> io::Result<Reply> {
        self.tell(command).await?;
        timeout(STEP, self.hear()).await?
    }

    async fn hear(&mut self) -> io::Result<Reply> {
        let mut reply = Vec::new();
        (&mut self.0).take(LONGEST_LINE).read_until(b'\n', &mut reply).await?;
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
