//! Processes that were replaced and finish what they have begun, seen from the one in charge.

use std::cell::{Cell, RefCell};
use std::io::ErrorKind;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use mirage_core::{Code, InstanceId, ProcessTraffic, RouteTable, TrafficMark};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use super::client::{ProxyHandle, millis};
use super::leftovers;
use super::wire::{Command, Reply, Status};
use crate::load::Open;

/// How long such a process may take for what should take no time: less than control waits for the one in charge.
const PROMPT: Duration = Duration::from_secs(2);

/// After so many silences in a row a process is not waited for any more, until it answers again.
const SILENCES: u32 = 2;

/// How long a process that is stuck may stay so before it is asked again whether it still is.
const STUCK: Duration = Duration::from_secs(60);

/// More than there ever are: each lingers for a few minutes at most.
const MOST: usize = 64;

/// All of them that are known.
#[derive(Default)]
pub(crate) struct Predecessors {
    known: RefCell<Vec<Rc<Predecessor>>>,
    /// Whether they are the successor's to look after.
    left: Cell<bool>,
}

/// One of them.
pub(crate) struct Predecessor {
    name: String,
    handle: ProxyHandle,
    silences: Cell<u32>,
    gone: Cell<bool>,
}

/// A connection to a process, which ends with it.
pub(crate) struct Lifeline(pub(super) UnixStream);

/// A process of a folder that is not the one in charge.
pub(crate) struct Other {
    pub(crate) name: String,
    /// None where so many wait already that it lets nobody connect.
    pub(crate) line: Option<Lifeline>,
    status: Option<Status>,
}

impl Other {
    /// Whether it accepts connections, as far as it can be told: one that is stuck says nothing.
    pub(crate) fn accepts(&self) -> bool {
        self.status.as_ref().is_some_and(|it| !it.listen.is_empty() || !it.listen_tls.is_empty())
    }
}

/// Whether a proxy of this folder accepts connections, be it the one in charge or not.
pub async fn is_inhabited(run: &Path) -> bool {
    others(run, None).await.iter().any(Other::accepts)
}

/// Every process of this folder that lives, be it in charge or not, whether it answers or not.
pub async fn living(run: &Path) -> Vec<ProxyHandle> {
    connected(run, None).await.into_iter().map(|(name, _)| ProxyHandle::at(run.join(name))).collect()
}

/// The processes of a folder that live, but for the one with this name.
pub(super) async fn others(run: &Path, but: Option<&str>) -> Vec<Other> {
    let connected = connected(run, but).await;
    let asked = connected.into_iter().map(|(name, line)| async move {
        let status = match ProxyHandle::at(run.join(&name)).call(&Command::Status, PROMPT).await {
            Ok(Reply::Status { status }) => Some(status),
            Err(error) if error.code() == Code::DeadlineExceeded => None,
            _ => return None,
        };
        Some(Other { name, line, status })
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// The names of those that let others connect, or have let so many that there is no room.
async fn connected(run: &Path, but: Option<&str>) -> Vec<(String, Option<Lifeline>)> {
    let mut connected = Vec::new();
    for name in leftovers::sockets(run).into_iter().filter(|name| but != Some(name.as_str())) {
        match UnixStream::connect(run.join(&name)).await {
            Ok(stream) => connected.push((name, Some(Lifeline(stream)))),
            Err(error) if error.kind() == ErrorKind::WouldBlock => connected.push((name, None)),
            // One that was killed has left its socket, and nobody is behind it.
            Err(_) => {}
        }
    }
    connected.truncate(MOST);
    connected
}

impl Lifeline {
    /// Waits until the process has ended.
    async fn ended(mut self) {
        let _ = (&mut self.0).take(1024).read_to_end(&mut Vec::new()).await;
    }
}

impl Predecessor {
    /// The process with this socket in the folder.
    pub(crate) fn new(run: &Path, name: &str) -> Rc<Self> {
        let handle = ProxyHandle::at(run.join(name));
        Rc::new(Self { name: name.to_owned(), handle, silences: Cell::new(0), gone: Cell::new(false) })
    }

    /// Waits until it has ended, by a line to it where there is one.
    pub(crate) async fn ended(&self, line: Option<Lifeline>) {
        let line = match line {
            Some(line) => line,
            None => match self.handle.connect().await {
                Ok(stream) => Lifeline(stream),
                Err(_) => return,
            },
        };
        line.ended().await;
    }

    /// Waits until it answers again; false where it has ended.
    pub(crate) async fn moves_again(&self) -> bool {
        loop {
            match self.ask(&Command::Status, STUCK).await {
                Err(Code::DeadlineExceeded) => {}
                answer => return answer.is_ok(),
            }
        }
    }

    /// Lets the requests on connections that it still has follow a table. False where it is silent.
    pub(crate) async fn follow(&self, table: &RouteTable) -> bool {
        match self.ask(&Command::Follow { table: table.clone() }, PROMPT).await {
            Ok(_) => true,
            Err(code) => {
                tracing::debug!(%code, name = self.name, "a proxy before this one did not take the table");
                code != Code::DeadlineExceeded
            }
        }
    }

    /// Waits for the requests that it still has open; none where it has ended.
    async fn drain(&self, instance: InstanceId, limit: Duration) -> Open {
        opened(self.ask(&Command::drain(instance, limit), limit.saturating_add(PROMPT)).await)
    }

    /// Ends it, within the limit; answers with what it had to break off.
    async fn shutdown(&self, limit: Duration) -> Open {
        let command = Command::Shutdown { limit_millis: millis(limit) };
        opened(self.ask(&command, limit.saturating_add(PROMPT)).await)
    }

    async fn ask(&self, command: &Command, limit: Duration) -> Result<Reply, Code> {
        let reply = self.handle.call(command, limit).await.map_err(|error| error.code());
        match reply {
            Err(Code::DeadlineExceeded) => self.silences.set(self.silences.get() + 1),
            _ => self.silences.set(0),
        }
        reply
    }
}

impl Predecessors {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.borrow().is_empty()
    }

    /// Minds one more from now on, unless it has ended, or is the successor's to look after.
    pub(crate) fn add(&self, predecessor: Rc<Predecessor>) {
        if !self.left.get() && !predecessor.gone.get() {
            self.known.borrow_mut().push(predecessor);
        }
    }

    /// Minds one no longer: it has ended.
    pub(crate) fn remove(&self, predecessor: &Rc<Predecessor>) {
        predecessor.gone.set(true);
        self.known.borrow_mut().retain(|known| !Rc::ptr_eq(known, predecessor));
    }

    /// Leaves all of them to the successor.
    pub(crate) fn forget(&self) {
        self.left.set(true);
        self.known.borrow_mut().clear();
    }

    /// Takes out those that were silent so often that nobody should wait for them.
    pub(crate) fn take_stuck(&self) -> Vec<Rc<Predecessor>> {
        self.known.borrow_mut().extract_if(.., |one| one.silences.get() >= SILENCES).collect()
    }

    /// Has all of them follow a table.
    pub(crate) async fn follow(&self, table: &RouteTable) {
        let known = self.known();
        join_all(known.iter().map(|one| one.follow(table))).await;
    }

    /// Waits until none of them has anything open towards an instance; answers with what is left.
    pub(crate) async fn drain(&self, instance: InstanceId, limit: Duration) -> Open {
        let known = self.known();
        sum(join_all(known.iter().map(|one| one.drain(instance, limit))).await)
    }

    /// Ends all of them; answers with what was broken off.
    pub(crate) async fn shutdown(&self, limit: Duration) -> Open {
        let known = self.known();
        sum(join_all(known.iter().map(|one| one.shutdown(limit))).await)
    }

    /// What they have counted.
    pub(crate) async fn traffic(&self, after: &[TrafficMark]) -> Vec<ProcessTraffic> {
        let known = self.known();
        let command = Command::Traffic { after: after.to_vec() };
        let mut all: Vec<ProcessTraffic> = Vec::new();
        for reply in join_all(known.iter().map(|one| one.ask(&command, PROMPT))).await {
            let Ok(Reply::Traffic { processes }) = reply else { continue };
            // One of an older version also tells what its own predecessor says.
            let fresh: Vec<_> = processes
                .into_iter()
                .filter(|one| all.iter().all(|known| known.process != one.process))
                .collect();
            all.extend(fresh);
        }
        all
    }

    fn known(&self) -> Vec<Rc<Predecessor>> {
        self.known.borrow().clone()
    }
}

fn opened(reply: Result<Reply, Code>) -> Open {
    match reply {
        Ok(Reply::Drained { open }) => open,
        _ => Open::default(),
    }
}

fn sum(all: Vec<Open>) -> Open {
    all.into_iter().fold(Open::default(), |mut sum, open| {
        sum += open;
        sum
    })
}
