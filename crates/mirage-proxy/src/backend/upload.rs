//! The body of a request on its way to a backend.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderName, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::worker::RoutedService;

/// A request body, or none.
pub(crate) struct Upload {
    body: Option<Incoming>,
    progress: Option<Rc<Progress>>,
    counted: Option<Rc<RoutedService>>,
}

/// How far a request body has come.
pub(crate) struct Progress {
    moved: Cell<bool>,
    done: Cell<bool>,
}

impl Upload {
    /// Passes on what the client sends; the second value tells how it goes, unless there is nothing to send.
    pub(crate) fn of(body: Incoming, service: &Rc<RoutedService>) -> (Self, Option<Rc<Progress>>) {
        if body.is_end_stream() {
            return (Self::none(), None);
        }
        let progress = Rc::new(Progress { moved: Cell::new(true), done: Cell::new(false) });
        let counted = Some(service.clone());
        (Self { body: Some(body), progress: Some(progress.clone()), counted }, Some(progress))
    }

    /// A request without a body.
    pub(crate) fn none() -> Self {
        Self { body: None, progress: None, counted: None }
    }
}

impl Progress {
    /// Whether a piece went through since this was last asked.
    pub(crate) fn has_moved(&self) -> bool {
        self.moved.replace(false)
    }

    /// Whether the body has ended.
    pub(crate) fn is_done(&self) -> bool {
        self.done.get()
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(&mut *body).poll_frame(cx);
        let ended = body.is_end_stream();
        if let (Poll::Ready(frame), Some(progress)) = (&polled, &self.progress) {
            progress.moved.set(true);
            progress.done.set(frame.is_none() || ended);
        }
        if let (Poll::Ready(Some(Ok(frame))), Some(service)) = (&polled, &self.counted)
            && let Some(data) = frame.data_ref()
        {
            service.came_in(data.len());
        }
        polled.map_ok(without_head_fields)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// The frame without trailer fields that only the head may have.
fn without_head_fields(frame: Frame<Bytes>) -> Frame<Bytes> {
    frame.into_trailers().map_or_else(
        |data| data,
        |mut trailers| {
            let refused: Vec<_> = trailers.keys().filter(|name| !is_trailer(name)).cloned().collect();
            refused.iter().for_each(|name| drop(trailers.remove(name)));
            Frame::trailers(trailers)
        },
    )
}

/// Whether a field may come after the body. Not what frames or routes a request, says who sent it, or
/// lets somebody in (RFC 9110, 6.5.1): a backend that merges trailers into its head would believe it.
fn is_trailer(name: &HeaderName) -> bool {
    const REFUSED: &[HeaderName] = &[
        header::HOST,
        header::AUTHORIZATION,
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::CONTENT_TYPE,
        header::COOKIE,
        header::EXPECT,
        header::FORWARDED,
        header::MAX_FORWARDS,
        header::PROXY_AUTHORIZATION,
        header::RANGE,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    let text = name.as_str();
    !(REFUSED.contains(name)
        || text.starts_with("x-forwarded-")
        || text == "x-real-ip"
        || text == "keep-alive")
}
