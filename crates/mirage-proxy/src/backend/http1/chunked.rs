//! The chunked coding, as backends send it (RFC 9112, 7.1).

use bytes::{Buf, BytesMut};
use http_body::Frame;
use httparse::Status;

use super::head::parse_trailers;
use super::{Http1Error, Piece, trailers};

/// The longest line with the size of a chunk, extensions included, and the longest trailer.
const LINE: usize = 4096;
const TRAILER: usize = 16 * 1024;

/// Where in the coding a body is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Chunked {
    /// Before the size of a chunk.
    #[default]
    Size,
    /// So many bytes of a chunk are still to come.
    Data(u64),
    /// Before the line end after a chunk.
    DataEnd,
    /// After the last chunk.
    Trailer,
    Ended,
}

impl Chunked {
    pub(super) fn is_ended(&self) -> bool {
        *self == Self::Ended
    }

    /// Takes the next piece from the input.
    pub(super) fn take(&mut self, input: &mut BytesMut) -> Result<Piece, Http1Error> {
        loop {
            match self {
                Self::Size => match size(input)? {
                    Some(0) => *self = Self::Trailer,
                    Some(length) => *self = Self::Data(length),
                    None => return Ok(Piece::More),
                },
                Self::Data(_) if input.is_empty() => return Ok(Piece::More),
                Self::Data(length) => {
                    let here = usize::try_from(*length).unwrap_or(usize::MAX).min(input.len());
                    *length -= here as u64;
                    if *length == 0 {
                        *self = Self::DataEnd;
                    }
                    let data = input.split_to(here).freeze();
                    // The end may be here already; then it is known with the last piece.
                    self.finish(input)?;
                    return Ok(Piece::Frame(Frame::data(data)));
                }
                Self::DataEnd => match input.get(..2) {
                    Some(b"\r\n") => {
                        input.advance(2);
                        *self = Self::Size;
                    }
                    Some(_) => return Err(Http1Error::Invalid("a chunk does not end where it should")),
                    None => return Ok(Piece::More),
                },
                Self::Trailer => match parse_trailers(input, TRAILER)? {
                    Some(fields) => {
                        *self = Self::Ended;
                        return Ok(trailers(fields));
                    }
                    None => return Ok(Piece::More),
                },
                Self::Ended => return Ok(Piece::End),
            }
        }
    }

    /// Takes the end of the body where exactly that is next, without trailer fields.
    fn finish(&mut self, input: &mut BytesMut) -> Result<(), Http1Error> {
        if *self == Self::DataEnd && input.starts_with(b"\r\n0\r\n\r\n") {
            input.advance(7);
            *self = Self::Ended;
        }
        Ok(())
    }
}

/// The size of the next chunk; `None` where its line is not whole yet.
fn size(input: &mut BytesMut) -> Result<Option<u64>, Http1Error> {
    let invalid = Http1Error::Invalid("a chunk has no valid size");
    // An empty line would be read as the size nought.
    if input.first().is_some_and(|first| !first.is_ascii_hexdigit()) {
        return Err(invalid);
    }
    match httparse::parse_chunk_size(input) {
        Ok(Status::Complete((length, size))) if length <= LINE => {
            input.advance(length);
            Ok(Some(size))
        }
        Ok(Status::Partial) if input.len() < LINE => Ok(None),
        _ => Err(invalid),
    }
}
