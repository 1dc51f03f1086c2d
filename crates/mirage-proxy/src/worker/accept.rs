//! Taking connections from a listener.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::client::Seat;
use super::{Worker, serve};
use crate::sockets;

/// The most connections taken from a queue that is about to be closed.
const LAST_CALL: usize = 4096;

/// Accepts until the worker leaves, then takes what is still queued: the kernel would reset it.
pub(super) async fn accept(
    worker: Rc<Worker>,
    listener: TcpListener,
    tls: bool,
    mut leaving: watch::Receiver<bool>,
) {
    let port = listener.local_addr().map_or(0, |address| address.port());
    loop {
        let next = async {
            worker.clients.room(worker.settings.seats).await;
            listener.accept().await
        };
        tokio::select! {
            biased;
            _ = leaving.wait_for(|leaving| *leaving) => break,
            accepted = next => match accepted {
                Ok((stream, peer)) => worker.seat(stream, peer, port, tls),
                Err(error) => rest_after(&error).await,
            }
        }
    }
    for _ in 0..LAST_CALL {
        match listener.accept().now_or_never() {
            Some(Ok((stream, peer))) => worker.seat(stream, peer, port, tls),
            _ => break,
        }
    }
}

impl Worker {
    fn seat(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr, port: u16, tls: bool) {
        sockets::prepare_stream(&stream, self.limits().unacknowledged);
        let seat = Seat::take(self, peer, port, tls);
        self.keep_time();
        tokio::task::spawn_local(serve::serve(seat, stream, tls));
    }
}

/// A connection that broke before it was accepted concerns nobody; no free file descriptor does.
async fn rest_after(error: &io::Error) {
    if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)) {
        tracing::warn!(%error, "cannot accept connections");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
