//! One handshake, with a client that may be anybody.

use std::io;

use rustls::server::Acceptor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::{ACME_TLS, Tls};

/// The first byte of a handshake, and nothing that a request of HTTP/1 begins with.
const HANDSHAKE: u8 = 22;

/// A fatal alert that nothing is served under the name that was asked for: `unrecognized_name` (RFC 6066, 3), in a
/// record of TLS 1.2, as every version sends it before keys are agreed on.
const UNRECOGNIZED_NAME: &[u8] = &[21, 3, 3, 0, 2, 2, 112];

/// Said to whoever speaks HTTP where TLS is spoken.
const NOT_TLS: &str = "This port speaks HTTPS alone: ask again with https://\n";

/// The most that is read of a request that cannot be answered, so that its sender sees why.
const UNREAD: u64 = 64 * 1024;

/// What came of a handshake.
pub(crate) enum Handshake {
    /// A connection for requests; whether they come over HTTP/2.
    Done(Box<TlsStream<TcpStream>>, bool),
    /// There is nothing more to do on it.
    Over,
}

/// Takes a client through the handshake. The caller limits its time; the size of what the client says first is limited
/// by rustls, to 64 KiB.
pub(crate) async fn shake(tls: &Tls, mut stream: TcpStream) -> io::Result<Handshake> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Ok(Handshake::Over);
    }
    if first[0] != HANDSHAKE {
        if first[0].is_ascii_alphabetic() {
            refuse_plain(&mut stream).await?;
        }
        return Ok(Handshake::Over);
    }
    let mut acceptor = std::pin::pin!(LazyConfigAcceptor::new(Acceptor::default(), stream));
    let started = acceptor.as_mut().await?;
    let Some(config) = tls.config_for(&started.client_hello()) else {
        let mut stream = started.io;
        stream.write_all(UNRECOGNIZED_NAME).await?;
        stream.shutdown().await?;
        return Ok(Handshake::Over);
    };
    let mut stream = started.into_stream(config).await?;
    match stream.get_ref().1.alpn_protocol() {
        Some(ACME_TLS) => {
            stream.shutdown().await?;
            Ok(Handshake::Over)
        }
        protocol => {
            let is_http2 = protocol == Some(b"h2");
            Ok(Handshake::Done(Box::new(stream), is_http2))
        }
    }
}

async fn refuse_plain(stream: &mut TcpStream) -> io::Result<()> {
    let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close";
    let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{NOT_TLS}", NOT_TLS.len());
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // Closing with something unread would take the answer away again.
    tokio::io::copy(&mut stream.take(UNREAD), &mut tokio::io::sink()).await?;
    Ok(())
}
