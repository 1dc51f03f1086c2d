//! What the proxy is told at its start.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mirage_core::port::Randomness;

use crate::peers::PeerNetwork;

/// How a proxy process runs.
#[derive(Clone)]
pub struct ProxyConfig {
    /// Addresses on which services are reached. Port 0 takes any free port, as tests do.
    pub listen: Vec<SocketAddr>,
    /// Listening sockets on some of these addresses that somebody else opened, and holds while proxies come and go.
    pub handed: Vec<Arc<TcpListener>>,
    /// Addresses on which services are reached over TLS.
    pub listen_tls: Vec<SocketAddr>,
    /// Folder of the control socket, the route table and the process record; made with mode 0700.
    pub run: PathBuf,
    /// Threads that move requests; `None` for one per core, at most [`MOST_WORKERS`].
    pub workers: Option<usize>,
    /// Peers whose `X-Forwarded-*` and `Forwarded` are believed: load balancers in front of Mirage.
    pub trusted: Vec<PeerNetwork>,
    /// Limits against slow, greedy and hostile peers.
    pub limits: Limits,
    /// The name service.
    pub names: NameConfig,
    /// Where identities of DNS queries come from.
    pub randomness: Arc<dyn Randomness>,
}

/// The most threads that are started without being asked for.
pub const MOST_WORKERS: usize = 8;

impl ProxyConfig {
    /// A proxy with the documented defaults.
    pub fn new(listen: Vec<SocketAddr>, run: PathBuf, randomness: Arc<dyn Randomness>) -> Self {
        Self {
            listen,
            handed: Vec::new(),
            listen_tls: Vec::new(),
            run,
            workers: None,
            trusted: Vec::new(),
            limits: Limits::default(),
            names: NameConfig::default(),
            randomness,
        }
    }
}

impl fmt::Debug for ProxyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyConfig")
            .field("listen", &self.listen)
            .field("listen_tls", &self.listen_tls)
            .field("run", &self.run)
            .finish_non_exhaustive()
    }
}

/// What a peer may ask of the proxy. All times are inactivity times unless said.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Most bytes of a request or response head.
    pub head_bytes: usize,
    /// Most header fields of a request or response.
    pub header_fields: usize,
    /// From the first byte of a request head to its last; also from the opening of a connection to its first request.
    pub head_time: Duration,
    /// How long a TLS handshake may take, from the opening of the connection.
    pub handshake_time: Duration,
    /// Most handshakes at once on one thread. Where there are more, the one that has lasted longest goes.
    pub handshakes: usize,
    /// How long a client's connection may rest between two requests.
    pub idle_time: Duration,
    /// How long a backend may take to accept a connection.
    pub connect_time: Duration,
    /// From the end of a request to the head of its response. Sixty seconds, as nginx has it:
    /// long polls fit, hung backends do not hold a client for minutes.
    pub response_time: Duration,
    /// How long a client may pause while it sends a request body.
    pub upload_pause: Duration,
    /// How long sent bytes may stay without acknowledgement, on either side.
    pub unacknowledged: Duration,
    /// Most client connections of the whole process, upgraded ones included. Also bounded by half
    /// the open files that the process may have.
    pub connections: usize,
    /// After a take-over or a request to stop: how long the old process goes on with what it has begun.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 64 * 1024,
            header_fields: 100,
            head_time: Duration::from_secs(15),
            handshake_time: Duration::from_secs(10),
            handshakes: 512,
            idle_time: Duration::from_secs(60),
            connect_time: Duration::from_secs(5),
            response_time: Duration::from_secs(60),
            upload_pause: Duration::from_secs(60),
            unacknowledged: Duration::from_secs(120),
            connections: 16_384,
            linger: Duration::from_secs(300),
        }
    }
}

/// The name service for instances.
#[derive(Clone, Debug)]
pub struct NameConfig {
    /// Port on each zone's resolver address: 53, but for tests.
    pub port: u16,
    /// Where the host's own resolvers are listed.
    pub resolv_conf: PathBuf,
    /// Port of the host's own resolvers: 53, but for tests.
    pub upstream_port: u16,
    /// Most queries being forwarded at once.
    pub forwards: u16,
    /// How long one of the host's resolvers may take before the next is asked.
    pub upstream_time: Duration,
}

impl Default for NameConfig {
    fn default() -> Self {
        Self {
            port: 53,
            resolv_conf: PathBuf::from("/etc/resolv.conf"),
            upstream_port: 53,
            forwards: 256,
            upstream_time: Duration::from_secs(2),
        }
    }
}
