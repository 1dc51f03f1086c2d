//! One client connection: which protocol it speaks, and serving it until it ends.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::{Client, ClientOrder, Seat};
use crate::config::Limits;
use crate::forward;
use crate::tls::{self, Handshake};

/// How an HTTP/2 connection begins; no HTTP/1 method starts like it.
const PREFACE: &[u8] = b"PRI";

/// Most requests at once on one HTTP/2 connection.
const STREAMS: u32 = 128;

/// The smallest buffer that hyper takes.
const SMALLEST_BUFFER: usize = 8192;

/// hyper's own limit of header fields. Setting the same one makes it fill tables for every message.
const HYPER_HEADER_FIELDS: usize = 100;

/// Runs tasks on the thread that asks for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalExecutor;

impl<F> hyper::rt::Executor<F> for LocalExecutor
where
    F: Future<Output: 'static> + 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// How HTTP/1 is spoken with clients.
pub(super) fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .max_buf_size(limits.head_bytes.max(SMALLEST_BUFFER))
        .max_header_size(limits.head_bytes)
        .header_read_timeout(None);
    builder.writev(false);
    if limits.header_fields != HYPER_HEADER_FIELDS {
        builder.max_headers(limits.header_fields);
    }
    builder
}

/// How HTTP/2 is spoken with clients.
pub(super) fn http2(limits: &Limits) -> http2::Builder<LocalExecutor> {
    let mut builder = http2::Builder::new(LocalExecutor);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// Serves a connection to its end.
pub(super) async fn serve(seat: Rc<Seat>, stream: TcpStream, tls: bool) {
    let client = seat.client.clone();
    let mut serving =
        pin!(async { if tls { speak_tls(seat, stream).await } else { speak(seat, stream).await } });
    poll_fn(|cx| {
        client.attend(cx.waker());
        match client.order() {
            ClientOrder::Abort => Poll::Ready(()),
            _ => serving.as_mut().poll(cx),
        }
    })
    .await;
}

async fn speak(seat: Rc<Seat>, stream: TcpStream) {
    let Ok(is_http2) = starts_http2(&stream).await else { return };
    converse(seat, stream, is_http2).await;
}

async fn speak_tls(seat: Rc<Seat>, stream: TcpStream) {
    let worker = seat.worker.clone();
    let place = worker.begin_handshake(&seat.client);
    // A handshake costs far more than a timer.
    let shaken = timeout(worker.limits().handshake_time, tls::shake(&worker.settings.tls, stream)).await;
    drop(place);
    match shaken {
        Ok(Ok(Handshake::Done(stream, is_http2))) => {
            seat.client.expect_head(worker.beat());
            converse(seat, stream, is_http2).await;
        }
        Ok(Ok(Handshake::Over)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "no TLS handshake"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn converse<S>(seat: Rc<Seat>, stream: S, is_http2: bool)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let client = seat.client.clone();
    let worker = seat.worker.clone();
    let io = TokioIo::new(Heard { stream, heard: client.heard.clone() });
    let service = service_fn(move |request| forward::handle(seat.clone(), request));
    if is_http2 {
        client.set_http2();
        let connection = pin!(worker.http2.serve_connection(io, service));
        until_closed(&client, connection, ClientOrder::Last, http2::Connection::graceful_shutdown).await;
    } else {
        let connection = pin!(worker.http1.serve_connection(io, service).with_upgrades());
        until_closed(
            &client,
            connection,
            ClientOrder::Close,
            http1::UpgradeableConnection::graceful_shutdown,
        )
        .await;
    }
}

/// Looks at the first bytes without taking them.
async fn starts_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; PREFACE.len()];
    loop {
        let seen = stream.peek(&mut first).await?;
        if seen == 0 || !PREFACE.starts_with(&first[..seen]) {
            return Ok(false);
        }
        if seen == PREFACE.len() {
            return Ok(true);
        }
        // `P` or `PR`: the socket is readable and stays so, hence no event to wait for.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Polls a connection to its end, and closes it in good order once it has been told to, `from` that
/// order on: HTTP/2 can announce its end without losing a request, HTTP/1 only with a response.
async fn until_closed<C>(
    client: &Client,
    mut connection: Pin<&mut C>,
    from: ClientOrder,
    close: impl Fn(Pin<&mut C>),
) where
    C: Future<Output = hyper::Result<()>>,
{
    let mut told = false;
    let ended = poll_fn(|cx| {
        if !told && client.order() >= from {
            told = true;
            close(connection.as_mut());
        }
        connection.as_mut().poll(cx)
    })
    .await;
    if let Err(error) = ended {
        tracing::debug!(%error, "client connection ended");
    }
}

/// A socket that notes when bytes come in.
struct Heard<S> {
    stream: S,
    heard: Arc<AtomicBool>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.heard.store(true, Relaxed);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
