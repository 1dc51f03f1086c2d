//! HTTP/2 without TLS to a backend, for gRPC: one connection that carries many requests.

use std::rc::Rc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::pool::Pool;
use super::upload::Upload;
use crate::config::Limits;
use crate::worker::LocalExecutor;

/// A handle on a shared connection.
pub(crate) type Http2Sender = SendRequest<Upload>;

/// Bytes that may be under way on one stream; the whole connection has four times as much.
const WINDOW: u32 = 256 * 1024;

impl Pool {
    /// The shared HTTP/2 connection, where there is one that works.
    pub(crate) fn http2(&self) -> Option<Http2Sender> {
        self.http2.borrow().as_ref().filter(|sender| !sender.is_closed()).cloned()
    }

    /// Speaks HTTP/2 on a fresh TCP connection and shares it.
    pub(crate) async fn open_http2(
        self: &Rc<Self>,
        stream: TcpStream,
        limits: &Limits,
    ) -> Result<Http2Sender, hyper::Error> {
        let (sender, connection) = http2::Builder::new(LocalExecutor)
            .timer(TokioTimer::new())
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW * 4)
            .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
            .handshake(TokioIo::new(stream))
            .await?;
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "HTTP/2 connection to a backend ended");
            }
        });
        if !self.is_retired() {
            *self.http2.borrow_mut() = Some(sender.clone());
        }
        Ok(sender)
    }
}

/// Sends a request over HTTP/2 and waits for the head of its response. A request that was not sent
/// comes back.
pub(crate) async fn send(
    mut sender: Http2Sender,
    request: Request<Upload>,
) -> Result<Response<Incoming>, (Option<Request<Upload>>, hyper::Error)> {
    let answer = sender.try_send_request(request).await;
    answer.map_err(|mut failure| (failure.take_message(), failure.into_error()))
}
