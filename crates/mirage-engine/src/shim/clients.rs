//! Who is connected to the shim.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use super::client::{SocketName, next_line};
use super::message::{MAX_LINE, Request};
use super::state::ShimState;

/// Connections at a time; control needs one. More are turned away.
const MAX_CLIENTS: usize = 8;

/// The listening socket and its connections.
pub(super) struct Clients {
    listener: UnixListener,
    connected: Vec<Client>,
}

struct Client {
    stream: UnixStream,
    unread: Vec<u8>,
}

impl Clients {
    /// Listens in the instance's folder.
    ///
    /// # Errors
    /// `AddrInUse` where another shim was there before.
    pub(super) fn listen(dir: &Path) -> io::Result<Self> {
        let name = SocketName::open(dir)?;
        let listener = UnixListener::bind(name.path())?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, connected: Vec::new() })
    }

    /// What to wait on: the listener, then each connection.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.listener.as_fd())
            .chain(self.connected.iter().map(|client| client.stream.as_fd()))
    }

    /// Accepts who wants in and tells them the state.
    pub(super) fn accept(&mut self, state: &ShimState) {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.connected.len() == MAX_CLIENTS || stream.set_nonblocking(true).is_err() {
                continue;
            }
            let mut client = Client { stream, unread: Vec::new() };
            if client.send(state) {
                self.connected.push(client);
            }
        }
    }

    /// Everything that was asked for. Who hangs up, or sends what is no request, is forgotten.
    pub(super) fn requests(&mut self) -> Vec<Request> {
        let mut requests = Vec::new();
        self.connected.retain_mut(|client| client.receive(&mut requests).is_ok());
        requests
    }

    /// Tells everybody. Who does not read is forgotten.
    pub(super) fn tell(&mut self, state: &ShimState) {
        self.connected.retain_mut(|client| client.send(state));
    }
}

impl Client {
    /// A socket buffer holds a hundred states, so a client for which one does not fit is dead.
    fn send(&mut self, state: &ShimState) -> bool {
        let Ok(mut line) = serde_json::to_vec(state) else { return false };
        line.push(b'\n');
        self.stream.write_all(&line).is_ok()
    }

    fn receive(&mut self, requests: &mut Vec<Request>) -> io::Result<()> {
        let mut bytes = [0; 1024];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.unread.extend_from_slice(&bytes[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            while let Some(request) = next_line(&mut self.unread)? {
                requests.push(request);
            }
            if self.unread.len() > MAX_LINE {
                return Err(ErrorKind::InvalidData.into());
            }
        }
    }
}
