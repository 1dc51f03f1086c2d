//! Opening a TCP connection to a backend.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::sockets;

/// Why a backend could not be reached. Nothing of a request has been sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("no connection in time")]
    TimedOut,
    #[error(transparent)]
    Refused(#[from] io::Error),
}

/// Connects, with the options that every connection of the proxy has.
pub(crate) async fn connect(
    address: SocketAddr,
    limit: Duration,
    unacknowledged: Duration,
) -> Result<TcpStream, ConnectError> {
    let stream = timeout(limit, TcpStream::connect(address)).await.map_err(|_| ConnectError::TimedOut)??;
    sockets::prepare_stream(&stream, unacknowledged);
    Ok(stream)
}
