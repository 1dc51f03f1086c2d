//! The head of a response.

use std::mem::MaybeUninit;

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use httparse::{Header, ParserConfig, Status};
use hyper::ext::ReasonPhrase;

use super::chunked::Chunked;
use super::{Framing, Http1Error};

/// The most header fields whatever the limits say.
const MOST_FIELDS: usize = 256;

/// A head, and what it says about the rest.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) response: Response<()>,
    pub(super) framing: Framing,
    /// Whether the connection may be used again afterwards.
    pub(super) keep: bool,
}

/// Where a field is in the buffer.
pub(super) struct Span {
    name: (u32, u32),
    value: (u32, u32),
}

/// Takes a head from the buffer; `None` where it is not whole yet. `spans` is room to work in.
pub(super) fn parse(
    input: &mut BytesMut,
    spans: &mut Vec<Span>,
    method: &Method,
    head_bytes: usize,
    header_fields: usize,
) -> Result<Option<Parsed>, Http1Error> {
    let mut fields = [const { MaybeUninit::<Header<'_>>::uninit() }; MOST_FIELDS];
    let fields = &mut fields[..header_fields.min(MOST_FIELDS)];
    let mut parsed = httparse::Response::new(&mut []);
    let status = ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, input, fields);
    let length = match status {
        Ok(Status::Complete(length)) if length <= head_bytes => length,
        Ok(Status::Partial) if input.len() < head_bytes => return Ok(None),
        Ok(_) => return Err(Http1Error::Invalid("its head is too long")),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Http1Error::Invalid("it has too many header fields"));
        }
        Err(_) => return Err(Http1Error::Invalid("its head is not HTTP")),
    };
    let is_http11 = parsed.version == Some(1);
    let code = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let code = code.ok_or(Http1Error::Invalid("its status is not one"))?;
    let reason =
        parsed.reason.filter(|reason| Some(*reason) != code.canonical_reason() && !reason.is_empty());
    let reason = reason.and_then(|reason| ReasonPhrase::try_from(reason.as_bytes()).ok());

    spans.clear();
    let span = |field: &Header<'_>| Span {
        name: place(input, field.name.as_bytes()),
        value: place(input, field.value),
    };
    spans.extend(parsed.headers.iter().map(span));
    let head = input.split_to(length).freeze();
    let mut response = Response::new(());
    *response.status_mut() = code;
    *response.headers_mut() = collect(&head, spans)?;
    if let Some(reason) = reason {
        response.extensions_mut().insert(reason);
    }
    let framing = framing(&response, method, is_http11)?;
    let keep = keeps_alive(response.headers(), is_http11) && framing != Framing::UntilClose;
    Ok(Some(Parsed { response, framing, keep }))
}

/// The trailer fields at the start of the buffer; `None` where they are not whole yet.
pub(super) fn parse_trailers(
    input: &mut BytesMut,
    most_bytes: usize,
) -> Result<Option<HeaderMap>, Http1Error> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let collected = match httparse::parse_headers(input, &mut fields) {
        Ok(Status::Complete((length, fields))) if length <= most_bytes => {
            let mut trailers = HeaderMap::with_capacity(fields.len());
            for field in fields {
                let name = HeaderName::from_bytes(field.name.as_bytes());
                let value = HeaderValue::from_bytes(field.value);
                match (name, value) {
                    (Ok(name), Ok(value)) => trailers.append(name, value),
                    _ => return Err(Http1Error::Invalid("its trailer is not HTTP")),
                };
            }
            (length, trailers)
        }
        Ok(Status::Partial) if input.len() < most_bytes => return Ok(None),
        _ => return Err(Http1Error::Invalid("its trailer is not HTTP")),
    };
    input.advance(collected.0);
    Ok(Some(collected.1))
}

/// Where a part of the buffer begins and ends in it. A head is shorter than 4 GiB.
fn place(whole: &[u8], part: &[u8]) -> (u32, u32) {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    (start as u32, (start + part.len()) as u32)
}

fn collect(head: &Bytes, spans: &[Span]) -> Result<HeaderMap, Http1Error> {
    let mut headers = HeaderMap::with_capacity(spans.len() + 2);
    for span in spans {
        let invalid = || Http1Error::Invalid("it has an invalid header field");
        let name = &head[span.name.0 as usize..span.name.1 as usize];
        let name = HeaderName::from_bytes(name).map_err(|_| invalid())?;
        let value = head.slice(span.value.0 as usize..span.value.1 as usize);
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| invalid())?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// How the body ends. Where two statements disagree, the response is refused: somebody between
/// might believe the other one.
fn framing(response: &Response<()>, method: &Method, is_http11: bool) -> Result<Framing, Http1Error> {
    let headers = response.headers();
    match response.status() {
        StatusCode::SWITCHING_PROTOCOLS => return Ok(Framing::Switched),
        status if status.is_informational() => return Ok(Framing::Length(0)),
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => return Ok(Framing::Length(0)),
        _ if *method == Method::HEAD => return Ok(Framing::Length(0)),
        _ => {}
    }
    let length = content_length(headers)?;
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next(), length) {
        (None, _, Some(length)) => Ok(Framing::Length(length)),
        (None, _, None) => Ok(Framing::UntilClose),
        (Some(coding), None, None) if is_http11 && coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            Ok(Framing::Chunked(Chunked::default()))
        }
        _ => Err(Http1Error::Invalid("its length is ambiguous")),
    }
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Http1Error> {
    let mut found = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        let digits = value.as_bytes();
        let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let length = value.to_str().ok().filter(|_| is_number).and_then(|text| text.parse::<u64>().ok());
        match (length, found) {
            (Some(length), None) => found = Some(length),
            (Some(length), Some(before)) if length == before => {}
            _ => return Err(Http1Error::Invalid("its length is ambiguous")),
        }
    }
    Ok(found)
}

fn keeps_alive(headers: &HeaderMap, is_http11: bool) -> bool {
    let mut keeps = is_http11;
    for value in headers.get_all(CONNECTION) {
        for token in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if token.eq_ignore_ascii_case(b"close") {
                return false;
            }
            keeps |= token.eq_ignore_ascii_case(b"keep-alive");
        }
    }
    keeps
}
