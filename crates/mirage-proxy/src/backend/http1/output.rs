//! A request on its way out.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body::{Body, Frame};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

use super::Http1Error;
use crate::backend::upload::Upload;

/// Up to this size pieces are copied together, so that head and body leave in one packet; larger
/// ones are sent from where they are.
const COPIED: usize = 16 * 1024;

/// A buffer that has grown beyond this is given back after its request.
const KEPT: usize = 16 * 1024;

/// The head of a request, ready but for its framing: fields of one hop are gone.
pub(crate) struct RequestHead<'a> {
    pub(crate) method: &'a Method,
    /// Path and query.
    pub(crate) target: &'a str,
    pub(crate) host: &'a HeaderValue,
    pub(crate) headers: &'a HeaderMap,
    /// More fields, as [`write_field`] writes them.
    pub(crate) more: &'a [u8],
}

/// What is still to be sent.
#[derive(Default)]
pub(super) struct Output {
    buffer: Vec<u8>,
    sent: usize,
    piece: Bytes,
    body: Option<Upload>,
    is_chunked: bool,
    is_broken: bool,
}

impl Output {
    /// Starts with the head of a request.
    pub(super) fn begin(&mut self, request: &RequestHead<'_>, upload: Upload) {
        self.buffer.clear();
        self.sent = 0;
        let length = upload.size_hint().exact();
        self.is_chunked = length.is_none();
        write_head(&mut self.buffer, request, length);
        self.body = (!upload.is_end_stream()).then_some(upload);
    }

    /// Whether everything is sent, or nothing more can be.
    pub(super) fn is_done(&self) -> bool {
        self.sent == self.buffer.len() && self.piece.is_empty() && self.body.is_none()
    }

    /// Whether the backend did not take everything.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Sends until everything is sent, the backend takes no more, or the client has no more yet.
    pub(super) fn poll(
        &mut self,
        stream: &mut TcpStream,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Http1Error>> {
        loop {
            let waits_for_client = self.poll_fill(cx)?.is_pending();
            if let Err(error) = ready!(self.poll_flush(stream, cx)) {
                return Poll::Ready(self.broken(error));
            }
            if self.body.is_none() {
                self.buffer.clear();
                self.buffer.shrink_to(KEPT);
                self.sent = 0;
                return Poll::Ready(Ok(()));
            }
            if waits_for_client {
                return Poll::Pending;
            }
        }
    }

    /// A backend that takes no more of a body may have said why: its response is still read. Without
    /// a body there was no reason to stop before the end.
    fn broken(&mut self, error: io::Error) -> Result<(), Http1Error> {
        let had_body = self.body.take().is_some() || !self.piece.is_empty();
        self.buffer.clear();
        self.sent = 0;
        self.piece.clear();
        self.is_broken = true;
        if had_body { Ok(()) } else { Err(Http1Error::NoResponse(error)) }
    }

    /// Takes from the body what fits; ready where there is enough to send or nothing more to take.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Http1Error>> {
        while let Some(body) = &mut self.body
            && self.piece.is_empty()
            && self.buffer.len() - self.sent < COPIED
        {
            match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let ended = body.is_end_stream();
                    self.add(frame);
                    if ended {
                        self.end();
                    }
                }
                Some(Err(error)) => {
                    self.body = None;
                    return Poll::Ready(Err(Http1Error::Upload(error)));
                }
                None => self.end(),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn add(&mut self, frame: Frame<Bytes>) {
        match frame.into_data() {
            Ok(data) if data.is_empty() => {}
            Ok(data) => {
                if self.is_chunked {
                    self.buffer.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
                }
                if data.len() <= COPIED {
                    self.buffer.extend_from_slice(&data);
                    self.end_chunk();
                } else {
                    self.piece = data;
                }
            }
            Err(frame) => {
                if let (true, Ok(trailers)) = (self.is_chunked, frame.into_trailers()) {
                    self.buffer.extend_from_slice(b"0\r\n");
                    trailers.iter().for_each(|(name, value)| write_field(&mut self.buffer, name, value));
                    self.buffer.extend_from_slice(b"\r\n");
                    self.body = None;
                }
            }
        }
    }

    fn end_chunk(&mut self) {
        if self.is_chunked {
            self.buffer.extend_from_slice(b"\r\n");
        }
    }

    /// Notes the end of the body. A large piece is still to be sent before what is written here.
    fn end(&mut self) {
        if self.body.take().is_some() && self.is_chunked && self.piece.is_empty() {
            self.buffer.extend_from_slice(b"0\r\n\r\n");
            self.is_chunked = false;
        }
    }

    fn poll_flush(&mut self, stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while self.sent < self.buffer.len() {
                self.sent += ready!(write(stream, cx, &self.buffer[self.sent..]))?;
            }
            self.buffer.clear();
            self.sent = 0;
            if self.piece.is_empty() {
                return Poll::Ready(Ok(()));
            }
            while !self.piece.is_empty() {
                let written = ready!(write(stream, cx, &self.piece))?;
                self.piece.advance(written);
            }
            self.end_chunk();
            if self.body.is_none() && self.is_chunked {
                self.buffer.extend_from_slice(b"0\r\n\r\n");
                self.is_chunked = false;
            }
        }
    }
}

/// Writes one header field.
pub(crate) fn write_field(output: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    output.extend_from_slice(name.as_str().as_bytes());
    output.extend_from_slice(b": ");
    output.extend_from_slice(value.as_bytes());
    output.extend_from_slice(b"\r\n");
}

fn write_head(output: &mut Vec<u8>, request: &RequestHead<'_>, length: Option<u64>) {
    output.extend_from_slice(request.method.as_str().as_bytes());
    output.push(b' ');
    output.extend_from_slice(request.target.as_bytes());
    output.extend_from_slice(b" HTTP/1.1\r\n");
    write_field(output, &HOST, request.host);
    let mut said_length = false;
    for (name, value) in request.headers {
        match *name {
            HOST => {}
            CONTENT_LENGTH => said_length = true,
            _ => write_field(output, name, value),
        }
    }
    output.extend_from_slice(request.more);
    match length {
        None => output.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Some(0) if !said_length && !wants_length(request.method) => {}
        Some(length) => output.extend_from_slice(format!("content-length: {length}\r\n").as_bytes()),
    }
    output.extend_from_slice(b"\r\n");
}

/// Whether a server expects a length even where there is nothing (RFC 9110, 8.6).
fn wants_length(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

fn write(stream: &mut TcpStream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    match ready!(Pin::new(stream).poll_write(cx, bytes))? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        written => Poll::Ready(Ok(written)),
    }
}
