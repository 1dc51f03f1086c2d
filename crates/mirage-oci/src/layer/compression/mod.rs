//! From the compressed stream to the archive.

mod gzip;
mod input;
mod zstd;

use std::io::{self, Read};

use gzip::Gzip;
use input::{Input, SourceFailed};
use zstd::Zstd;

use super::error::LayerError;
use super::summary::LayerSummary;

/// How a layer's blob is compressed, as its media type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// A plain tar archive.
    None,
    /// `+gzip`, `.gzip`: RFC 1952, also of several members.
    Gzip,
    /// `+zstd`: RFC 8878, also of several frames.
    Zstd,
}

impl Compression {
    /// The compression that a media type of a layer names, OCI's or Docker's; `None` where it is
    /// no layer's. Types of layers that must not be pushed elsewhere are compressed like others.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        match media_type {
            "application/vnd.oci.image.layer.v1.tar"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar"
            | "application/vnd.docker.image.rootfs.diff.tar" => Some(Self::None),
            "application/vnd.oci.image.layer.v1.tar+gzip"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip"
            | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" => Some(Self::Gzip),
            "application/vnd.oci.image.layer.v1.tar+zstd"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
            | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::None => "not compressed",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// Reads the archive out of the compressed stream.
pub(super) enum Decoder<R> {
    Plain(Input<R>),
    Gzip(Box<Gzip<R>>),
    Zstd(Zstd<R>),
}

impl<R: Read> Decoder<R> {
    /// Looks at the first bytes and begins. They decide, as they do in Docker and containerd; where
    /// the media type says something else, that is a warning.
    pub(super) fn new(
        stream: R,
        declared: Compression,
        summary: &mut LayerSummary,
    ) -> Result<Self, LayerError> {
        let decoder = Self::by_first_bytes(stream)?;
        let found = decoder.compression();
        if found != declared {
            summary.warn(format!(
                "the media type says `{}`, the bytes are `{}`",
                declared.as_str(),
                found.as_str()
            ));
        }
        Ok(decoder)
    }

    /// The same where nobody said anything.
    pub(super) fn by_first_bytes(stream: R) -> Result<Self, LayerError> {
        let mut input = Input::new(stream);
        let start = input.peek(512).map_err(|cause| classify(0, cause))?;
        Ok(match detect(start)? {
            Compression::None => Self::Plain(input),
            Compression::Gzip => Self::Gzip(Box::new(Gzip::new(input))),
            Compression::Zstd => {
                Self::Zstd(Zstd::new(input).map_err(|cause| LayerError::Compressed(cause.to_string()))?)
            }
        })
    }

    /// What the first bytes said.
    pub(super) fn compression(&self) -> Compression {
        match self {
            Self::Plain(_) => Compression::None,
            Self::Gzip(_) => Compression::Gzip,
            Self::Zstd(_) => Compression::Zstd,
        }
    }

    /// How many bytes have been taken from the compressed stream.
    pub(super) fn compressed_bytes(&self) -> u64 {
        self.input().consumed()
    }

    /// Reads the compressed stream to its end, past anything that follows the compressed data.
    pub(super) fn drain(&mut self) -> Result<(), LayerError> {
        let input = match self {
            Self::Plain(input) => input,
            Self::Gzip(gzip) => gzip.input_mut(),
            Self::Zstd(zstd) => zstd.input_mut(),
        };
        io::copy(input, &mut io::sink()).map(drop).map_err(|cause| classify(0, cause))
    }

    fn input(&self) -> &Input<R> {
        match self {
            Self::Plain(input) => input,
            Self::Gzip(gzip) => gzip.input(),
            Self::Zstd(zstd) => zstd.input(),
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(input) => input.read(out),
            Self::Gzip(gzip) => gzip.read(out),
            Self::Zstd(zstd) => zstd.read(out),
        }
    }
}

/// Tells a failing source from damaged data; `at` is a position in the inflated stream.
pub(super) fn classify(at: u64, cause: io::Error) -> LayerError {
    match cause.downcast::<SourceFailed>() {
        Ok(SourceFailed(cause)) => LayerError::Read(cause),
        Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => {
            LayerError::Compressed(format!("its compressed data end too early, {at} bytes came out of them"))
        }
        Err(cause) => LayerError::Compressed(format!(
            "its compressed data are damaged after {at} bytes of the archive ({cause})"
        )),
    }
}

fn detect(start: &[u8]) -> Result<Compression, LayerError> {
    const OTHERS: [(&[u8], &str); 3] =
        [(b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"\x04\x22\x4d\x18", "lz4")];
    if start.starts_with(gzip::MAGIC) {
        return Ok(Compression::Gzip);
    }
    if zstd::is_frame(start) {
        return Ok(Compression::Zstd);
    }
    // A damaged plain archive is found by the reader, which can say more about it.
    match OTHERS.iter().find(|(magic, _)| start.starts_with(magic)) {
        Some((_, name)) => Err(LayerError::Compressed(format!(
            "it is compressed with `{name}`, which images may not be; gzip, zstd and none are possible"
        ))),
        None => Ok(Compression::None),
    }
}
