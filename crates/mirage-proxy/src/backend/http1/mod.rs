//! One HTTP/1.1 connection to a backend.
//!
//! hyper's client connection is a task of its own behind two channels, which costs as much as all
//! the rest of a small request. Here whoever waits for the response drives the connection, and the
//! head of a request goes straight from its fields into the output buffer. What is read is read
//! strictly: a response whose end is not certain ends the connection.

mod chunked;
mod head;
mod output;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Response};
use http_body::Frame;
use tokio::net::TcpStream;
use tokio_util::io::poll_read_buf;

use self::chunked::Chunked;
use self::head::Span;
use self::output::Output;
use super::upload::Upload;
use crate::config::Limits;

pub(crate) use self::output::{RequestHead, write_field};

/// Bytes read at once: to begin with, and where a body keeps filling the buffer.
const READ: usize = 8 * 1024;
const READ_MOST: usize = 64 * 1024;

/// The most interim responses (`100`, `103`) before the one that counts.
const INTERIM: usize = 8;

/// A connection that carries one exchange at a time.
pub(crate) struct Http1 {
    stream: TcpStream,
    input: BytesMut,
    spans: Vec<Span>,
    output: Output,
    framing: Framing,
    read_size: usize,
    head_bytes: usize,
    header_fields: usize,
    keep: bool,
    /// The beat of the worker at which it was put into the pool.
    pub(super) idle_since: u32,
}

/// How the end of a response is known (RFC 9112, 6.3).
#[derive(Debug, PartialEq, Eq)]
enum Framing {
    /// So many bytes are still to come.
    Length(u64),
    Chunked(Chunked),
    /// Everything until the backend closes.
    UntilClose,
    /// The connection has changed its protocol.
    Switched,
}

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Http1Error {
    /// The backend closed or broke the connection before a single byte of a response.
    #[error("the connection ended before the response: {0}")]
    NoResponse(io::Error),
    #[error("the connection ended within the response: {0}")]
    Incomplete(io::Error),
    #[error("the response is not valid: {0}")]
    Invalid(&'static str),
    #[error("the client broke off its request: {0}")]
    Upload(hyper::Error),
}

impl Http1 {
    pub(crate) fn new(stream: TcpStream, limits: &Limits) -> Box<Self> {
        Box::new(Self {
            stream,
            input: BytesMut::new(),
            spans: Vec::new(),
            output: Output::default(),
            framing: Framing::Length(0),
            read_size: READ,
            head_bytes: limits.head_bytes,
            header_fields: limits.header_fields,
            keep: true,
            idle_since: 0,
        })
    }

    /// Sends a request and waits for the head of its response. The body is taken from `upload` as
    /// the backend takes it, also while its response is already coming.
    pub(crate) async fn exchange(
        &mut self,
        request: &RequestHead<'_>,
        upload: Upload,
    ) -> Result<Response<()>, Http1Error> {
        self.output.begin(request, upload);
        let method = request.method;
        let mut interim = 0;
        poll_fn(|cx| {
            loop {
                self.poll_send(cx)?;
                let response = ready!(self.poll_head(cx, method))?;
                if !response.status().is_informational() || self.framing == Framing::Switched {
                    return Poll::Ready(Ok(response));
                }
                interim += 1;
                if interim > INTERIM {
                    return Poll::Ready(Err(Http1Error::Invalid("too many interim responses")));
                }
            }
        })
        .await
    }

    /// The next piece of the response body.
    pub(crate) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Http1Error>>> {
        if let Err(error) = self.poll_send(cx) {
            return Poll::Ready(Some(Err(error)));
        }
        loop {
            match self.take_piece() {
                Ok(Piece::Frame(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(Piece::End) => return Poll::Ready(None),
                Ok(Piece::More) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            match ready!(self.poll_read(cx)) {
                Ok(0) if self.framing == Framing::UntilClose => {
                    self.framing = Framing::Length(0);
                    return Poll::Ready(None);
                }
                Ok(0) => {
                    return Poll::Ready(Some(Err(Http1Error::Incomplete(
                        io::ErrorKind::UnexpectedEof.into(),
                    ))));
                }
                Ok(_) => {}
                Err(error) => return Poll::Ready(Some(Err(Http1Error::Incomplete(error)))),
            }
        }
    }

    /// Whether the response has ended.
    pub(crate) fn is_ended(&self) -> bool {
        self.framing.is_ended()
    }

    /// How many bytes of the body are still to come, where that is known.
    pub(crate) fn remaining(&self) -> Option<u64> {
        match self.framing {
            Framing::Length(length) => Some(length),
            _ => None,
        }
    }

    /// Whether the connection can take another exchange: the last one is over on both sides, and
    /// the backend has neither closed it nor said something unasked.
    pub(crate) fn is_reusable(&self) -> bool {
        self.keep
            && self.is_ended()
            && self.output.is_done()
            && !self.output.is_broken()
            && self.input.is_empty()
            && matches!(self.stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// The connection itself, after it has changed its protocol, and what was read too far.
    pub(crate) fn into_stream(self) -> (TcpStream, BytesMut) {
        (self.stream, self.input)
    }

    /// Sends as much of the request as the backend takes now.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<(), Http1Error> {
        if self.output.is_done() {
            return Ok(());
        }
        match self.output.poll(&mut self.stream, cx) {
            Poll::Ready(result) => result,
            Poll::Pending => Ok(()),
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>, method: &Method) -> Poll<Result<Response<()>, Http1Error>> {
        loop {
            let fresh = self.input.is_empty();
            if !fresh
                && let Some(parsed) = head::parse(
                    &mut self.input,
                    &mut self.spans,
                    method,
                    self.head_bytes,
                    self.header_fields,
                )?
            {
                self.framing = parsed.framing;
                self.keep &= parsed.keep;
                return Poll::Ready(Ok(parsed.response));
            }
            let failed =
                |error| if fresh { Http1Error::NoResponse(error) } else { Http1Error::Incomplete(error) };
            match ready!(self.poll_read(cx)) {
                Ok(0) => return Poll::Ready(Err(failed(io::ErrorKind::UnexpectedEof.into()))),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(failed(error))),
            }
        }
    }

    /// Takes what the input holds of the body.
    fn take_piece(&mut self) -> Result<Piece, Http1Error> {
        match &mut self.framing {
            ended if ended.is_ended() => Ok(Piece::End),
            Framing::Switched => Ok(Piece::End),
            _ if self.input.is_empty() => Ok(Piece::More),
            Framing::Length(length) => {
                let here = usize::try_from(*length).unwrap_or(usize::MAX).min(self.input.len());
                *length -= here as u64;
                Ok(Piece::Frame(Frame::data(self.input.split_to(here).freeze())))
            }
            Framing::UntilClose => Ok(Piece::Frame(Frame::data(self.input.split().freeze()))),
            Framing::Chunked(chunked) => chunked.take(&mut self.input),
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.input.reserve(self.read_size);
        let read = ready!(poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.input))?;
        if read >= self.read_size {
            self.read_size = (self.read_size * 2).min(READ_MOST);
        }
        Poll::Ready(Ok(read))
    }
}

impl Framing {
    fn is_ended(&self) -> bool {
        match self {
            Self::Length(0) => true,
            Self::Chunked(chunked) => chunked.is_ended(),
            _ => false,
        }
    }
}

/// What the input holds next.
#[derive(Debug)]
enum Piece {
    Frame(Frame<Bytes>),
    /// Nothing whole: more has to be read.
    More,
    /// The body has ended.
    End,
}

/// Trailer fields as a piece.
fn trailers(fields: HeaderMap) -> Piece {
    if fields.is_empty() { Piece::End } else { Piece::Frame(Frame::trailers(fields)) }
}

#[cfg(test)]
mod tests;
