//! What is said over the control socket.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use mirage_core::{Backend, Code, Error, InstanceId, ProcessTraffic, RouteTable, TrafficMark};
use serde::{Deserialize, Serialize};

use super::client::millis;
use crate::load::Open;
use crate::tls::wire::WireSet;

/// The longest line, either way: room for about 50,000 routes.
pub(super) const LONGEST_LINE: u64 = 32 * 1024 * 1024;

/// What the proxy is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Command {
    /// Put this table in force. `new_epoch` lets it replace one with a higher generation.
    Publish { table: RouteTable, new_epoch: bool },
    /// The same, from the process that has taken over: nothing is written to disk.
    Follow { table: RouteTable },
    /// Serve TLS with these certificates, and answer these challenges.
    Install { certificates: WireSet },
    /// Wait until nobody is being served by this instance; its address does not matter.
    Drain { backend: Backend, limit_millis: u64 },
    /// Tell the table in force.
    Table,
    /// Tell how it goes.
    Status,
    /// Tell what was counted since these marks, here and in the process before.
    Traffic { after: Vec<TrafficMark> },
    /// Accept nothing more, finish what has begun, end.
    Shutdown { limit_millis: u64 },
    /// First step of a take-over: name your sockets and freeze the table.
    HandOver,
    /// Second step: send the sockets.
    Sockets,
    /// Third step: leave the rest to the successor; also the processes before, where it `adopts` them.
    Retire {
        #[serde(default)]
        adopts: bool,
    },
}

impl Command {
    /// Waiting until nobody is being served by an instance, at whatever address.
    pub(super) fn drain(instance: InstanceId, limit: Duration) -> Self {
        let backend = Backend { instance, address: (Ipv4Addr::UNSPECIFIED, 0).into() };
        Self::Drain { backend, limit_millis: millis(limit) }
    }
}

/// What the proxy answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Reply {
    Done,
    Drained { open: Open },
    Table { table: RouteTable },
    Status { status: Status },
    Traffic { processes: Vec<ProcessTraffic> },
    HandingOver { inheritance: Inheritance },
    Refused { code: Code, message: String, hint: Option<String> },
}

/// How a proxy process is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Its process.
    pub pid: u32,
    /// Version of Mirage that it was built from.
    pub version: String,
    /// Where it accepts connections.
    pub listen: Vec<SocketAddr>,
    /// Where it accepts connections over TLS.
    #[serde(default)]
    pub listen_tls: Vec<SocketAddr>,
    /// Generation of the table in force.
    pub generation: u64,
    /// Client connections, upgraded ones included.
    pub connections: u64,
    /// What is open towards backends.
    pub open: Open,
    /// Resolver addresses on which the name service could not listen yet.
    pub unbound_zones: Vec<std::net::Ipv4Addr>,
    /// Whether a process that was replaced by this one still finishes its requests.
    pub has_predecessor: bool,
}

/// What a successor gets.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Inheritance {
    /// What the descriptors are that follow, in their order.
    pub(crate) sockets: Vec<SocketUse>,
    /// The table in force.
    pub(crate) table: RouteTable,
    /// The certificates in use.
    #[serde(default)]
    pub(crate) certificates: WireSet,
    /// Where the old process can still be reached.
    pub(crate) socket: String,
}

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SocketUse {
    /// Services are reached here.
    Services(SocketAddr),
    /// Services are reached here over TLS.
    ServicesTls(SocketAddr),
    /// Names are asked here, over UDP.
    NamesUdp(SocketAddr),
    /// Names are asked here, over TCP.
    NamesTcp(SocketAddr),
}

/// A socket that came from the process before.
pub(crate) struct InheritedSocket {
    pub(crate) purpose: SocketUse,
    pub(crate) descriptor: std::os::fd::OwnedFd,
}

impl From<Error> for Reply {
    fn from(error: Error) -> Self {
        if let Some(cause) = error.cause() {
            tracing::warn!(%cause, "{}", error.message());
        }
        Self::Refused {
            code: error.code(),
            message: error.message().to_owned(),
            hint: error.next_step().map(str::to_owned),
        }
    }
}

impl Reply {
    /// The error that a refusal stands for.
    pub(super) fn refusal(code: Code, message: String, hint: Option<String>) -> Error {
        let error = Error::new(code, message);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

#[cfg(test)]
mod compatible;
