//! One HTTP/1.1 connection to a backend, driven by whoever uses it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::driver::Driver;
use super::upload::Upload;
use crate::config::Limits;
use crate::worker::{HYPER_HEADER_FIELDS, SMALLEST_BUFFER};

/// A connection that carries one request at a time.
pub(crate) struct Http1 {
    sender: SendRequest<Upload>,
    connection: Connection<TokioIo<TcpStream>, Upload>,
    driver: Driver,
    closed: bool,
    /// The beat of the worker at which it was put into the pool.
    pub(super) idle_since: u32,
}

/// The head of a response, and the connection on which the body follows.
pub(crate) struct Answered {
    pub(crate) response: Response<Incoming>,
    pub(crate) connection: Box<Http1>,
}

/// A request that got no response.
pub(crate) struct SendFailure {
    /// The request, where nothing of it has been sent.
    pub(crate) unsent: Option<Request<Upload>>,
    /// What hyper says.
    pub(crate) error: hyper::Error,
}

impl Http1 {
    /// Speaks HTTP/1.1 on a fresh TCP connection.
    pub(crate) async fn open(stream: TcpStream, limits: &Limits) -> Result<Box<Self>, hyper::Error> {
        let (sender, connection) = builder(limits).handshake(TokioIo::new(stream)).await?;
        Ok(Box::new(Self { sender, connection, driver: Driver::new(), closed: false, idle_since: 0 }))
    }

    /// Sends a request and waits for the head of its response.
    pub(crate) async fn send(mut self: Box<Self>, request: Request<Upload>) -> Result<Answered, SendFailure> {
        let answer = self.sender.try_send_request(request);
        let mut answer = std::pin::pin!(answer);
        let result = poll_fn(|cx| {
            let Self { connection, driver, closed, .. } = &mut *self;
            driver.poll(cx, |cx| {
                if !*closed {
                    *closed = Pin::new(&mut *connection).poll(cx).is_ready();
                }
                answer.as_mut().poll(cx)
            })
        })
        .await;
        match result {
            Ok(response) => Ok(Answered { response, connection: self }),
            Err(mut failure) => {
                Err(SendFailure { unsent: failure.take_message(), error: failure.into_error() })
            }
        }
    }

    /// The next piece of the response body.
    pub(crate) fn poll_body(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { connection, driver, closed, .. } = self;
        driver.poll(cx, |cx| {
            let frame = Pin::new(&mut *body).poll_frame(cx);
            if frame.is_ready() || *closed {
                return frame;
            }
            *closed = Pin::new(&mut *connection).poll(cx).is_ready();
            Pin::new(&mut *body).poll_frame(cx)
        })
    }

    /// Whether the connection can take another request: the last exchange is over on both sides,
    /// and the backend has neither closed it nor said something unasked.
    pub(crate) fn is_reusable(&mut self) -> bool {
        let Self { connection, driver, closed, .. } = self;
        if !*closed {
            *closed = driver.poll_unattended(|cx| Pin::new(&mut *connection).poll(cx)).is_ready();
        }
        !self.closed && self.sender.is_ready()
    }
}

/// How the proxy speaks HTTP/1.1 to backends.
pub(crate) fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(limits.head_bytes.max(SMALLEST_BUFFER)).max_header_size(limits.head_bytes);
    builder.writev(false);
    if limits.header_fields != HYPER_HEADER_FIELDS {
        builder.max_headers(limits.header_fields);
    }
    builder
}
