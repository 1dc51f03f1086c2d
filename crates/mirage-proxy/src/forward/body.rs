//! What the proxy sends to clients: a backend's body as it comes, or a page.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::backend::{Http1, Http1Error, InFlight};
use crate::worker::Busy;

/// The body of a response. While it lives, the client counts as busy and the request as in flight.
pub(crate) struct ProxyBody {
    source: Source,
    in_flight: Option<InFlight>,
    busy: Option<Busy>,
}

enum Source {
    /// From a connection that this body drives, until it has ended.
    Http1(Option<Box<Http1>>),
    /// From a connection that is a task of its own.
    Http2(Incoming),
    /// From the proxy itself.
    Page(Bytes),
}

impl ProxyBody {
    /// A backend's body over HTTP/1.1.
    pub(super) fn http1(connection: Box<Http1>, in_flight: InFlight, busy: Busy) -> Self {
        let source = Source::Http1(Some(connection));
        let mut this = Self { source, in_flight: Some(in_flight), busy: Some(busy) };
        if this.is_end_stream() {
            this.finish();
        }
        this
    }

    /// A backend's body over HTTP/2.
    pub(super) fn http2(body: Incoming, in_flight: InFlight, busy: Busy) -> Self {
        Self { source: Source::Http2(body), in_flight: Some(in_flight), busy: Some(busy) }
    }

    /// A page of the proxy, or nothing.
    pub(super) fn page(text: Bytes, busy: Busy) -> Self {
        Self { source: Source::Page(text), in_flight: None, busy: Some(busy) }
    }

    /// The exchange is over: the connection goes back to its pool, nothing is in flight any more.
    fn finish(&mut self) {
        if let Source::Http1(connection) = &mut self.source
            && let (Some(connection), Some(in_flight), Some(busy)) =
                (connection.take(), &self.in_flight, &self.busy)
        {
            in_flight.pool().give_back(connection, busy.seat().worker.beat());
        }
        self.in_flight = None;
    }
}

/// Why a response could not be passed on to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error(transparent)]
    Http1(Http1Error),
    #[error(transparent)]
    Http2(hyper::Error),
}

impl Body for ProxyBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = match &mut self.source {
            Source::Http1(Some(connection)) => connection.poll_body(cx).map_err(BodyError::Http1),
            Source::Http1(None) => Poll::Ready(None),
            Source::Http2(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::Http2),
            Source::Page(text) if text.is_empty() => Poll::Ready(None),
            Source::Page(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
        };
        if let (Poll::Ready(Some(Ok(frame))), Some(in_flight)) = (&polled, &self.in_flight)
            && let Some(data) = frame.data_ref()
        {
            in_flight.pool().went_out(data.len());
        }
        match &polled {
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(%error, "a backend broke off in the middle of a response");
                self.in_flight = None;
            }
            Poll::Ready(_) if self.is_end_stream() || matches!(polled, Poll::Ready(None)) => self.finish(),
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Http1(connection) => connection.as_ref().is_none_or(|connection| connection.is_ended()),
            Source::Http2(body) => body.is_end_stream(),
            Source::Page(text) => text.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Http1(None) => SizeHint::with_exact(0),
            Source::Http1(Some(connection)) => {
                connection.remaining().map_or_else(SizeHint::default, SizeHint::with_exact)
            }
            Source::Http2(body) => body.size_hint(),
            Source::Page(text) => SizeHint::with_exact(text.len() as u64),
        }
    }
}
