//! Asking an instance whether it is well. Done in the process that wants to know: an instance is
//! reachable from the whole host, and the answer must not depend on the proxy.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use http::{Request, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use mirage_core::{Probe, ProbeFailure};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest response head that is read. The body is not read at all.
const HEAD_BYTES: usize = 64 * 1024;

/// Asks once. Without a path, accepting a TCP connection is enough. With one, a `GET` must answer
/// 200 to 399; redirects are not followed. The request has `Host: localhost`, which applications
/// that check their host let through, and `User-Agent: mirage-probe`. The probe's timeout covers
/// all of it.
pub(crate) async fn probe(address: SocketAddr, probe: &Probe) -> Result<(), ProbeFailure> {
    let limit = Duration::from_millis(probe.timeout_millis.max(1));
    timeout(limit, ask(address, probe.path.as_deref())).await.unwrap_or(Err(ProbeFailure::TimedOut))
}

async fn ask(address: SocketAddr, path: Option<&str>) -> Result<(), ProbeFailure> {
    let stream = TcpStream::connect(address).await.map_err(unreachable)?;
    let Some(path) = path else { return Ok(()) };
    let request = request(path)?;
    let broken = |error: hyper::Error| ProbeFailure::Broken(explain(&error));
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let answer = async { sender.send_request(request).await.map_err(broken) };
    let mut answer = std::pin::pin!(answer);
    let response = tokio::select! {
        biased;
        response = &mut answer => response?,
        // It may have ended right after the answer.
        _ = connection => answer.await?,
    };
    match response.status().as_u16() {
        200..=399 => Ok(()),
        status => Err(ProbeFailure::Status(status)),
    }
}

fn request(path: &str) -> Result<Request<Empty<Bytes>>, ProbeFailure> {
    let rooted = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let uri: Uri = rooted.parse().map_err(|_| ProbeFailure::Broken(format!("`{path}` is not a path")))?;
    Request::get(uri)
        .header(HOST, "localhost")
        .header(USER_AGENT, "mirage-probe")
        .header(ACCEPT, "*/*")
        .header(CONNECTION, "close")
        .body(Empty::new())
        .map_err(|_| ProbeFailure::Broken(format!("`{path}` is not a path")))
}

fn unreachable(error: io::Error) -> ProbeFailure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ProbeFailure::Refused,
        io::ErrorKind::TimedOut => ProbeFailure::TimedOut,
        _ => ProbeFailure::Broken(error.to_string()),
    }
}

fn explain(error: &hyper::Error) -> String {
    if error.is_parse() {
        "the answer is not HTTP".to_owned()
    } else if error.is_incomplete_message() {
        "the connection closed without an answer".to_owned()
    } else {
        "the connection broke off".to_owned()
    }
}
