//! One environment's resolver address: its sockets and who asks there.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener, UdpSocket as StdUdpSocket};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use mirage_core::Zone;
use nix::sys::socket::SockType;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::answer::{Answer, Records, answer};
use super::upstream::{Transport, Upstream};
use crate::control::SocketUse;
use crate::sockets;

/// The longest query that is read.
const QUERY_BYTES: usize = 4096;

/// Connections that may be open to one zone over TCP, and how long one may rest.
const CONNECTIONS: usize = 32;
const IDLE: Duration = Duration::from_secs(10);

/// How often an address that could not be listened on is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Serves the names of one environment.
pub(super) struct ZoneServer {
    address: SocketAddr,
    records: RefCell<Rc<Records>>,
    turn: Cell<usize>,
    /// Kept for a successor, and to know whether anybody listens.
    sockets: RefCell<ZoneSockets>,
}

/// The two sockets of a zone, as far as they could be had.
#[derive(Default)]
pub(super) struct ZoneSockets {
    pub(super) udp: Option<OwnedFd>,
    pub(super) tcp: Option<OwnedFd>,
}

impl ZoneServer {
    /// A server for a zone, with sockets that were inherited or can be had at once.
    pub(super) fn new(address: SocketAddr, zone: &Zone, sockets: ZoneSockets) -> Rc<Self> {
        let server = Rc::new(Self {
            address,
            records: RefCell::new(Rc::new(Records::of(zone))),
            turn: Cell::new(0),
            sockets: RefCell::new(sockets),
        });
        if let Err(error) = server.bind() {
            tracing::warn!(%error, %address, "cannot listen for name queries yet");
        }
        server
    }

    /// Answers with these records from now on.
    pub(super) fn follow(&self, zone: &Zone) {
        *self.records.borrow_mut() = Rc::new(Records::of(zone));
    }

    /// Whether both sockets are there.
    pub(super) fn is_bound(&self) -> bool {
        let sockets = self.sockets.borrow();
        sockets.udp.is_some() && sockets.tcp.is_some()
    }

    /// Copies of the sockets.
    pub(super) fn copies(&self) -> Vec<(SocketUse, OwnedFd)> {
        let sockets = self.sockets.borrow();
        let udp = sockets.udp.iter().map(|socket| (SocketUse::NamesUdp(self.address), socket));
        let tcp = sockets.tcp.iter().map(|socket| (SocketUse::NamesTcp(self.address), socket));
        udp.chain(tcp).filter_map(|(purpose, socket)| Some((purpose, socket.try_clone().ok()?))).collect()
    }

    /// Listens and answers until the task is aborted.
    pub(super) async fn serve(self: Rc<Self>, upstream: Rc<Upstream>) {
        while self.bind().is_err() {
            sleep(RETRY).await;
        }
        match self.open() {
            Ok((udp, tcp)) => {
                tokio::join!(self.serve_udp(Rc::new(udp), &upstream), self.serve_tcp(tcp, &upstream));
            }
            Err(error) => tracing::error!(%error, address = %self.address, "cannot serve names"),
        }
    }

    fn bind(&self) -> io::Result<()> {
        let mut sockets = self.sockets.borrow_mut();
        if sockets.udp.is_none() {
            sockets.udp = Some(sockets::free_bound(self.address, SockType::Datagram)?);
        }
        if sockets.tcp.is_none() {
            sockets.tcp = Some(sockets::free_bound(self.address, SockType::Stream)?);
        }
        Ok(())
    }

    fn open(&self) -> io::Result<(UdpSocket, TcpListener)> {
        let sockets = self.sockets.borrow();
        let (Some(udp), Some(tcp)) = (&sockets.udp, &sockets.tcp) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let udp = UdpSocket::from_std(StdUdpSocket::from(udp.try_clone()?))?;
        let tcp = TcpListener::from_std(StdTcpListener::from(tcp.try_clone()?))?;
        Ok((udp, tcp))
    }

    async fn serve_udp(self: &Rc<Self>, socket: Rc<UdpSocket>, upstream: &Rc<Upstream>) {
        let mut buffer = vec![0; QUERY_BYTES];
        loop {
            let (length, peer) = match socket.recv_from(&mut buffer).await {
                Ok(received) => received,
                Err(error) => {
                    tracing::debug!(%error, "name query");
                    sleep(Duration::from_millis(10)).await;
                    continue;
                }
            };
            let query = &buffer[..length];
            match self.answer(query) {
                Answer::Ignore => {}
                Answer::Reply(reply) => drop(socket.send_to(&reply, peer).await),
                Answer::Forward => {
                    let (query, socket, upstream) = (query.to_vec(), socket.clone(), upstream.clone());
                    tokio::task::spawn_local(async move {
                        let reply = upstream.ask(&query, Transport::Udp).await;
                        let _ = socket.send_to(&reply, peer).await;
                    });
                }
            }
        }
    }

    async fn serve_tcp(self: &Rc<Self>, listener: TcpListener, upstream: &Rc<Upstream>) {
        let places = Rc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(place) = places.acquire().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    place.forget();
                    let (this, upstream, places) = (self.clone(), upstream.clone(), places.clone());
                    tokio::task::spawn_local(async move {
                        if let Err(error) = this.attend(stream, &upstream).await {
                            tracing::trace!(%error, "name queries over TCP");
                        }
                        places.add_permits(1);
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "name queries over TCP");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Answers the queries of one connection, one after the other.
    async fn attend(&self, mut stream: TcpStream, upstream: &Upstream) -> io::Result<()> {
        loop {
            let length = usize::from(timeout(IDLE, stream.read_u16()).await??);
            if length > QUERY_BYTES {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let mut query = vec![0; length];
            timeout(IDLE, stream.read_exact(&mut query)).await??;
            let reply = match self.answer(&query) {
                Answer::Ignore => return Ok(()),
                Answer::Reply(reply) => reply,
                Answer::Forward => upstream.ask(&query, Transport::Tcp).await,
            };
            let length = u16::try_from(reply.len()).map_err(|_| io::ErrorKind::InvalidData)?;
            let framed = [&length.to_be_bytes()[..], &reply].concat();
            timeout(IDLE, stream.write_all(&framed)).await??;
        }
    }

    fn answer(&self, query: &[u8]) -> Answer {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let records = self.records.borrow().clone();
        answer(query, &records, turn)
    }
}
