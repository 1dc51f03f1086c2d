//! Asking the host's resolvers. Queries go out as they came in, but for their number.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use mirage_core::port::Randomness;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::answer;
use super::resolv_conf::ResolvConf;
use crate::config::NameConfig;

/// The longest answer over UDP.
const ANSWER_BYTES: usize = 8192;

/// How a query came in, and so goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// The host's resolvers.
pub(super) struct Upstream {
    resolvers: RefCell<ResolvConf>,
    ours: RefCell<HashSet<SocketAddr>>,
    under_way: Semaphore,
    places: u32,
    time: Duration,
    randomness: Arc<dyn Randomness>,
}

impl Upstream {
    pub(super) fn new(config: NameConfig, randomness: Arc<dyn Randomness>) -> Self {
        Self {
            resolvers: RefCell::new(ResolvConf::new(config.resolv_conf, config.upstream_port)),
            ours: RefCell::default(),
            under_way: Semaphore::new(usize::from(config.forwards)),
            places: u32::from(config.forwards),
            time: config.upstream_time,
            randomness,
        }
    }

    /// These are our own addresses: a host that asks itself would ask for ever.
    pub(super) fn avoid(&self, ours: HashSet<SocketAddr>) {
        *self.ours.borrow_mut() = ours;
    }

    /// The answer of the first resolver that has one, else `SERVFAIL`.
    pub(super) async fn ask(&self, query: &[u8], transport: Transport) -> Vec<u8> {
        let failed = || answer::failure(query, ResponseCode::ServFail);
        let Ok(_place) = self.under_way.try_acquire() else {
            tracing::debug!("too many name queries are under way");
            return failed();
        };
        for server in self.servers() {
            match timeout(self.time, self.ask_one(query, server, transport)).await {
                Ok(Ok(reply)) => return reply,
                Ok(Err(error)) => tracing::debug!(%error, %server, "a resolver did not answer"),
                Err(_) => tracing::debug!(%server, "a resolver did not answer in time"),
            }
        }
        failed()
    }

    /// Waits until every query under way has its answer.
    pub(super) async fn settled(&self) {
        let _ = self.under_way.acquire_many(self.places).await;
    }

    fn servers(&self) -> Vec<SocketAddr> {
        let ours = self.ours.borrow();
        let mut resolvers = self.resolvers.borrow_mut();
        resolvers.servers().iter().filter(|server| !ours.contains(server)).copied().collect()
    }

    async fn ask_one(&self, query: &[u8], server: SocketAddr, transport: Transport) -> io::Result<Vec<u8>> {
        let [high, low, ..] = self.randomness.bytes16();
        let number = [high, low];
        let mut sent = query.to_vec();
        sent[..2].copy_from_slice(&number);
        let mut reply = match transport {
            Transport::Udp => over_udp(&sent, server).await?,
            Transport::Tcp => over_tcp(&sent, server).await?,
        };
        reply[..2].copy_from_slice(&query[..2]);
        Ok(reply)
    }
}

/// Asks from a port that the kernel picks, and takes an answer from that address only.
async fn over_udp(query: &[u8], server: SocketAddr) -> io::Result<Vec<u8>> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut buffer = vec![0; ANSWER_BYTES];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if is_answer(query, &buffer[..length]) {
            buffer.truncate(length);
            return Ok(buffer);
        }
    }
}

async fn over_tcp(query: &[u8], server: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(query.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&[&length.to_be_bytes()[..], query].concat()).await?;
    let mut reply = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut reply).await?;
    if !is_answer(query, &reply) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(reply)
}

/// Whether this answers that query: same number, same question. Some servers leave the question
/// out when they refuse.
fn is_answer(query: &[u8], reply: &[u8]) -> bool {
    let (Some(asked), Some(head)) = (query.first_chunk::<12>(), reply.first_chunk::<12>()) else {
        return false;
    };
    let is_response = head[2] & 0x80 != 0;
    if asked[..2] != head[..2] || !is_response {
        return false;
    }
    let refused = head[3] & 0x0f != 0;
    if head[4..6] == [0, 0] {
        return refused;
    }
    match (question(query), question(reply)) {
        (Some(asked), Some(answered)) => asked.eq_ignore_ascii_case(answered),
        _ => false,
    }
}

/// The first question of a message: its name, type and class. A name there has no compression.
fn question(message: &[u8]) -> Option<&[u8]> {
    let body = message.get(12..)?;
    let mut end = 0;
    loop {
        match *body.get(end)? {
            0 => return body.get(..end + 5),
            length @ 1..=63 => end += 1 + usize::from(length),
            _ => return None,
        }
    }
}
