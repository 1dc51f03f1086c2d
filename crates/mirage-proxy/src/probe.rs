//! Asking an instance whether it is well. Done in the process that wants to know: an instance is
//! reachable from the whole host, and the answer must not depend on the proxy.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use mirage_core::{HttpCheck, ProbeFailure};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest response head that is read. The body is not read at all.
const HEAD_BYTES: usize = 64 * 1024;

/// Asks once. Without a request, accepting a TCP connection is enough. With one, a `GET` must be answered
/// with an expected status; redirects are not followed. It has `Host: localhost`, which applications that check
/// their host let through, unless another one is named, and `User-Agent: mirage-probe`. `limit` covers all of it.
pub(crate) async fn probe(
    address: SocketAddr,
    request: Option<&HttpCheck>,
    limit: Duration,
) -> Result<(), ProbeFailure> {
    let limit = limit.max(Duration::from_millis(1));
    timeout(limit, ask(address, request)).await.unwrap_or(Err(ProbeFailure::TimedOut))
}

async fn ask(address: SocketAddr, wanted: Option<&HttpCheck>) -> Result<(), ProbeFailure> {
    let stream = TcpStream::connect(address).await.map_err(unreachable)?;
    let Some(wanted) = wanted else { return Ok(()) };
    let request = request(wanted)?;
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
    let status = response.status().as_u16();
    if wanted.expected.contain(status) { Ok(()) } else { Err(ProbeFailure::Status(status)) }
}

fn request(wanted: &HttpCheck) -> Result<Request<Empty<Bytes>>, ProbeFailure> {
    let path = &wanted.path;
    let rooted = if path.starts_with('/') { path.clone() } else { format!("/{path}") };
    let uri: Uri = rooted.parse().map_err(|_| ProbeFailure::Broken(format!("`{path}` is not a path")))?;
    let host = wanted.host.as_deref().unwrap_or("localhost");
    let host = HeaderValue::from_str(host)
        .map_err(|_| ProbeFailure::Broken(format!("`{}` is not a host", host.escape_debug())))?;
    Request::get(uri)
        .header(HOST, host)
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
