//! Sockets with the options that the proxy needs.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, getsockopt, listen, setsockopt,
    socket, sockopt,
};
use nix::sys::stat::fstat;
use tokio::net::TcpStream;

/// Connections that may wait to be accepted; the kernel lowers it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Seconds without a byte after which a peer is asked whether it is still there, and between
/// repetitions; after four silent ones it is gone.
const KEEPALIVE_IDLE: u32 = 60;
const KEEPALIVE_INTERVAL: u32 = 15;
const KEEPALIVE_COUNT: u32 = 4;

/// A listener for clients.
pub(crate) struct Door {
    /// Where it is.
    pub(crate) address: SocketAddr,
    /// Whether TLS is spoken there.
    pub(crate) tls: bool,
    pub(crate) listener: TcpListener,
}

impl Door {
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { address: self.address, tls: self.tls, listener: self.listener.try_clone()? })
    }
}

/// Listeners on one address, one for each worker thread: the kernel spreads connections among them.
pub(crate) fn listeners(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    claim(address)?;
    let first = listener(address)?;
    let bound = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..count {
        listeners.push(listener(bound)?);
    }
    Ok(listeners)
}

/// One more listener beside one that is there: with a queue of its own where the port may be shared, else on the same.
/// A queue that a service manager holds outlives every process that accepts from it.
pub(crate) fn another(beside: &TcpListener) -> io::Result<TcpListener> {
    match getsockopt(beside, sockopt::ReusePort) {
        Ok(true) => listener(beside.local_addr()?),
        _ => beside.try_clone(),
    }
}

/// Whether two descriptors are of one socket.
pub(crate) fn are_one(a: &TcpListener, b: &TcpListener) -> bool {
    let number = |socket: &TcpListener| fstat(socket).map(|found| found.st_ino).ok();
    number(a).is_some() && number(a) == number(b)
}

/// One more listener on an address, beside those that are there.
pub(crate) fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = stream_socket(address)?;
    setsockopt(&socket, sockopt::ReusePort, &true)?;
    bind_to(&socket, address)?;
    listen(&socket, Backlog::new(BACKLOG)?)?;
    Ok(TcpListener::from(socket))
}

/// Options of every connection: small writes leave at once, and a peer that is gone is noticed.
pub(crate) fn prepare_stream(stream: &TcpStream, unacknowledged: Duration) {
    let millis = u32::try_from(unacknowledged.as_millis()).unwrap_or(u32::MAX);
    let fd = stream.as_fd();
    let done = stream
        .set_nodelay(true)
        .map_err(|_| nix::errno::Errno::EINVAL)
        .and_then(|()| setsockopt(&fd, sockopt::KeepAlive, &true))
        .and_then(|()| setsockopt(&fd, sockopt::TcpKeepIdle, &KEEPALIVE_IDLE))
        .and_then(|()| setsockopt(&fd, sockopt::TcpKeepInterval, &KEEPALIVE_INTERVAL))
        .and_then(|()| setsockopt(&fd, sockopt::TcpKeepCount, &KEEPALIVE_COUNT))
        .and_then(|()| setsockopt(&fd, sockopt::TcpUserTimeout, &millis));
    if let Err(error) = done {
        // The peer has gone already; reading will tell.
        tracing::trace!(%error, "socket options");
    }
}

/// A socket for a name service on an address that may not exist yet.
pub(crate) fn free_bound(address: SocketAddr, kind: SockType) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket(family, kind, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)?;
    setsockopt(&socket, sockopt::IpFreebind, &true)?;
    if kind == SockType::Stream {
        setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    }
    bind_to(&socket, address)?;
    if kind == SockType::Stream {
        listen(&socket, Backlog::new(128)?)?;
    }
    Ok(socket)
}

/// Sharing a port is allowed between sockets that both ask for it, even of different programs. A
/// bind that does not ask for it fails if anybody is there.
pub(crate) fn claim(address: SocketAddr) -> io::Result<()> {
    if address.port() != 0 {
        bind_to(&stream_socket(address)?, address)?;
    }
    Ok(())
}

fn stream_socket(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(family, SockType::Stream, flags, None)?;
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    if address.is_ipv6() {
        setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
    }
    Ok(socket)
}

fn bind_to(socket: &OwnedFd, address: SocketAddr) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    Ok(bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?)
}
