//! The proxy's end of the control socket.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use mirage_core::{Code, Error};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::{UnixListener, UnixStream};

use super::descriptors;
use super::wire::{Command, LONGEST_LINE, Reply};
use crate::proxy::{HandOver, Proxy};
use crate::record::{SOCKET, draft_path};

/// What follows the name of a socket in that of the link to it, before it is in its place.
pub(super) const LINK: &str = ".link";

/// The most control connections at once.
const CONNECTIONS: usize = 64;

/// The control socket of one process: it has a name of its own, and a symbolic link leads to the
/// process in charge. So a process that was replaced can still be asked, and none can remove
/// another's socket.
pub(crate) struct ControlSocket {
    run: PathBuf,
    name: String,
}

impl ControlSocket {
    /// Binds the socket, with access for its owner only from the first moment on.
    pub(crate) fn bind(run: &Path, name: String) -> io::Result<(Self, UnixListener)> {
        let this = Self { run: run.to_owned(), name };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let descriptor: OwnedFd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        // One that had the number of this process may have left its own.
        let draft = draft_path(run, SOCKET);
        let _ = fs::remove_file(&draft);
        bind(std::os::fd::AsRawFd::as_raw_fd(&descriptor), &UnixAddr::new(&draft)?)?;
        // Nobody can connect before `listen`. It has its name only then: who is refused at it knows that nobody lives.
        let named = fs::set_permissions(&draft, fs::Permissions::from_mode(0o600))
            .and_then(|()| Ok(listen(&descriptor, Backlog::new(64)?)?))
            .and_then(|()| fs::rename(&draft, this.path()));
        if let Err(error) = named {
            let _ = fs::remove_file(&draft);
            return Err(error);
        }
        symlink(&this.name, this.link())?;
        Ok((this, UnixListener::from_std(descriptor.into())?))
    }

    /// Where this process, and no other, is asked.
    pub(crate) fn path(&self) -> PathBuf {
        self.run.join(&self.name)
    }

    /// Becomes the one that is asked when the proxy is. Takes no space, so that it works where there is none left.
    pub(crate) fn take_charge(&self) -> io::Result<()> {
        fs::rename(self.link(), self.run.join(SOCKET))
    }

    /// The link that leads to this process, before it is in its place.
    fn link(&self) -> PathBuf {
        self.run.join(format!("{}{LINK}", self.name))
    }

    fn is_in_charge(&self) -> bool {
        fs::read_link(self.run.join(SOCKET)).is_ok_and(|target| target == Path::new(&self.name))
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if self.is_in_charge() {
            let _ = fs::remove_file(self.run.join(SOCKET));
            let _ = fs::remove_file(self.run.join(crate::record::RECORD));
        }
        let _ = fs::remove_file(self.link());
        let _ = fs::remove_file(self.path());
    }
}

/// Answers on the control socket for as long as the process lives.
pub(crate) async fn serve(proxy: Rc<Proxy>, listener: UnixListener) {
    let places = Rc::new(tokio::sync::Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = tokio::sync::Semaphore::acquire(&places).await else { return };
        match listener.accept().await {
            Ok((stream, _)) if is_ours(&stream) => {
                place.forget();
                let (proxy, places) = (proxy.clone(), places.clone());
                tokio::task::spawn_local(async move {
                    if let Err(error) = attend(proxy, stream).await {
                        tracing::debug!(%error, "control connection ended");
                    }
                    places.add_permits(1);
                });
            }
            Ok(_) => tracing::warn!("a stranger knocked at the control socket"),
            Err(error) => {
                tracing::warn!(%error, "cannot accept on the control socket");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// Only the user of this process and root may give orders.
fn is_ours(stream: &UnixStream) -> bool {
    let own = nix::unistd::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

async fn attend(proxy: Rc<Proxy>, stream: UnixStream) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    // Dropped without a `Retire`, this lets the old process carry on.
    let mut hand_over = None;
    loop {
        let mut line = Vec::new();
        (&mut stream).take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Ok(());
        }
        let command = match serde_json::from_slice(&line) {
            Ok(command) => command,
            Err(error) => {
                let error = Error::new(Code::InvalidRequest, "the command is not understood").because(error);
                return say(&mut stream, error.into()).await;
            }
        };
        if matches!(command, Command::Sockets) {
            send_sockets(stream.get_ref(), hand_over.as_ref()).await?;
            continue;
        }
        let ends = matches!(command, Command::Shutdown { .. });
        let reply = obey(&proxy, command, &mut hand_over).await.unwrap_or_else(Reply::from);
        let said = say(&mut stream, reply).await;
        if ends {
            proxy.end();
        }
        said?;
    }
}

async fn obey(proxy: &Rc<Proxy>, command: Command, hand_over: &mut Option<HandOver>) -> Result<Reply, Error> {
    match command {
        Command::Publish { table, new_epoch } => proxy.publish(table, new_epoch).await.map(|()| Reply::Done),
        Command::Follow { table } => proxy.follow(table).await.map(|()| Reply::Done),
        Command::Install { certificates } => proxy.install(certificates.into()).await.map(|()| Reply::Done),
        Command::Drain { backend, limit_millis } => {
            let open = proxy.drain(backend.instance, Duration::from_millis(limit_millis)).await;
            Ok(Reply::Drained { open })
        }
        Command::Table => Ok(Reply::Table { table: proxy.table().await }),
        Command::Traffic { after } => Ok(Reply::Traffic { processes: proxy.traffic(&after).await }),
        Command::Status => Ok(Reply::Status { status: proxy.status().await }),
        Command::Shutdown { limit_millis } => {
            let open = proxy.stop(Duration::from_millis(limit_millis), false).await;
            Ok(Reply::Drained { open })
        }
        Command::HandOver => {
            let started = proxy.hand_over().await?;
            let inheritance = started.inheritance.clone();
            *hand_over = Some(started);
            Ok(Reply::HandingOver { inheritance })
        }
        Command::Retire { adopts } => match hand_over.take() {
            Some(started) => {
                started.finish();
                proxy.retire(adopts);
                Ok(Reply::Done)
            }
            None => Err(Error::new(Code::Conflict, "nothing has been handed over")),
        },
        Command::Sockets => Ok(Reply::Done),
    }
}

async fn say(stream: &mut BufReader<UnixStream>, reply: Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(&reply)?;
    line.push(b'\n');
    stream.get_mut().write_all(&line).await
}

async fn send_sockets(stream: &UnixStream, hand_over: Option<&HandOver>) -> io::Result<()> {
    let Some(hand_over) = hand_over else { return Err(io::ErrorKind::InvalidInput.into()) };
    let borrowed: Vec<BorrowedFd<'_>> = hand_over.descriptors.iter().map(AsFd::as_fd).collect();
    for batch in borrowed.chunks(descriptors::BATCH) {
        stream.async_io(Interest::WRITABLE, || descriptors::send(stream.as_fd(), batch)).await?;
    }
    Ok(())
}
