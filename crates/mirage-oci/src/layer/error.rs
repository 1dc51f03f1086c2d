//! Why a layer is refused.

use std::io;

use mirage_core::{Code, Digest, Error, human_bytes};
use nix::errno::Errno;

/// Why a layer could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The stream broke off or its source failed.
    #[error("its bytes cannot be read")]
    Read(#[source] io::Error),
    /// The compressed form is damaged or unknown.
    #[error("{0}")]
    Compressed(String),
    /// The archive is damaged.
    #[error("its archive is damaged at byte {at}: {what}")]
    Damaged {
        /// Where, in the inflated stream.
        at: u64,
        /// What was seen.
        what: String,
    },
    /// One entry cannot be accepted.
    #[error("entry `{name}` {what}")]
    Entry {
        /// The name, made printable.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// A limit is exceeded.
    #[error("{0}")]
    TooLarge(String),
    /// The disk refused.
    #[error("the disk refused")]
    Write(#[source] io::Error),
}

impl LayerError {
    pub(super) fn entry(name: &[u8], what: impl Into<String>) -> Self {
        Self::Entry { name: printable(name), what: what.into() }
    }

    pub(super) fn damaged(at: u64, what: impl Into<String>) -> Self {
        Self::Damaged { at, what: what.into() }
    }

    pub(crate) fn more_than(what: &str, limit: u64) -> Self {
        Self::TooLarge(format!("it has more than {limit} {what}"))
    }

    pub(super) fn larger_than(what: &str, limit: u64) -> Self {
        Self::TooLarge(format!("{what} is larger than {}", human_bytes(limit)))
    }

    /// The error as the rest of Mirage knows it; `digest` names the layer.
    pub fn into_core(self, digest: &Digest) -> Error {
        let layer = format!("layer `{}:{}`", digest.algorithm().as_str(), digest.short());
        let sentence = format!("{layer} is refused: {self}");
        match self {
            Self::Write(cause) => match cause.raw_os_error().map(Errno::from_raw) {
                Some(Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG) => {
                    Error::new(Code::DiskFull, format!("the disk is full, {layer} does not fit"))
                        .hint("free some space, or move the data folder with `--data-dir`")
                        .because(cause)
                }
                _ => Error::internal(&format!("write {layer}"), cause),
            },
            Self::Read(cause) => {
                Error::new(Code::ImagePullError, format!("{layer} broke off while it was read"))
                    .hint("deploy again; what has arrived of other layers is kept")
                    .because(cause)
            }
            Self::TooLarge(_) => Error::new(Code::ImageTooLarge, sentence).hint(
                "Mirage has these limits so that one image cannot fill the disk; make the layer smaller",
            ),
            Self::Compressed(_) | Self::Damaged { .. } | Self::Entry { .. } => {
                Error::new(Code::ImagePullError, sentence).hint(
                    "build the image again; if other tools accept this one, report it as a bug of Mirage",
                )
            }
        }
    }
}

/// Bytes of a name as text without surprises for a terminal, cut after a hundred characters.
pub(super) fn printable(name: &[u8]) -> String {
    const SHOWN: usize = 100;
    let text = String::from_utf8_lossy(name);
    let mut shown: String =
        text.chars().take(SHOWN).map(|c| if c.is_control() || c == '`' { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
