//! What can go wrong between Mirage and a registry, before it is put into words for a user.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use mirage_core::{Digest, Platform};
use reqwest::StatusCode;

/// One failed exchange with a registry. [`super::report`] turns it into the user's error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The registry's name has no address.
    #[error("the name of the registry has no address")]
    NoAddress(#[source] reqwest::Error),
    /// No connection came about: refused, unroutable, timed out.
    #[error("no connection to the registry")]
    NoConnection(#[source] reqwest::Error),
    /// The registry's certificate, or its TLS, is not accepted.
    #[error("no TLS connection: {0}")]
    Tls(TlsFault, #[source] reqwest::Error),
    /// Nothing, or nearly nothing, arrived for this long.
    #[error("nothing arrived for {} s", .0.as_secs_f32())]
    Stalled(Duration),
    /// The connection broke off in the middle.
    #[error("the connection broke off")]
    Broken(#[source] reqwest::Error),
    /// The registry answered, and the answer was no.
    #[error("{0}")]
    Refused(Refusal),
    /// The registry sent Mirage somewhere it does not go.
    #[error("a redirect was not followed: {0}")]
    Redirect(&'static str),
    /// A password was asked for at this host, which is not the registry and was not named over TLS.
    #[error("a password was asked for at `{0}`, and not sent")]
    ForeignRealm(String),
    /// A web page where a registry should be.
    #[error("a web page came instead of a registry's answer")]
    WebPage,
    /// Something is larger than its limit, in bytes.
    #[error("{what} has {} bytes, the limit is {limit}", .bytes.map_or("too many".to_owned(), |b| b.to_string()))]
    TooLarge {
        /// The thing: "the manifest".
        what: &'static str,
        /// Its size, where it was announced.
        bytes: Option<u64>,
        /// The limit.
        limit: u64,
    },
    /// A manifest, index or configuration that does not follow its specification.
    #[error("{0}")]
    Malformed(String),
    /// The answer is fine, but it is no runnable container image.
    #[error("{0}")]
    NotAnImage(String),
    /// The bytes are not those that were asked for.
    #[error("asked for `{}`, got `{}`", .expected.short(), .actual.short())]
    WrongDigest {
        /// What was asked for.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// A blob is announced or sent with another size than its descriptor says.
    #[error("blob `{}` must have {expected} bytes, not {actual}", .blob.short())]
    WrongSize {
        /// The blob.
        blob: Digest,
        /// The size in the descriptor.
        expected: u64,
        /// The size seen.
        actual: u64,
    },
    /// A blob ended early. Worth another try, which asks for the rest.
    #[error("blob `{}` ended after {received} of {expected} bytes", .blob.short())]
    Truncated {
        /// The blob.
        blob: Digest,
        /// The size in the descriptor.
        expected: u64,
        /// What arrived.
        received: u64,
    },
    /// A part was asked for and another one was sent.
    #[error("another part of a blob came than was asked for")]
    WrongRange,
    /// Something on this machine did not work; the error is ready for the user.
    #[error("{}", .0.message())]
    Here(mirage_core::Error),
    /// The image is not built for the wanted platform.
    #[error("no manifest for {wanted}")]
    NoPlatform {
        /// The platform asked for.
        wanted: Platform,
        /// What is there instead.
        offered: Vec<Platform>,
    },
}

/// A refusal in the words of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// `code` of the first error in the body (OCI distribution-spec, "Error Codes").
    pub(crate) code: Option<String>,
    /// `message` of the first error in the body, shortened and without control characters.
    pub(crate) message: Option<String>,
    /// How long the registry asks to wait.
    pub(crate) retry_after: Option<Duration>,
    /// Whether it was the token service that said no.
    pub(crate) by_token_service: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the registry answered {}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, ", {code}")?;
        }
        match &self.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

/// Why TLS did not come about, as far as a user can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TlsFault {
    /// Signed by nobody this machine trusts.
    #[error("its certificate is signed by an authority this machine does not trust")]
    UnknownIssuer,
    /// This machine trusts nobody, because it has no list.
    #[error("this machine has no list of certificate authorities")]
    NoRoots,
    /// Out of date, or not yet in date.
    #[error("its certificate is out of date")]
    Expired,
    /// For another name.
    #[error("its certificate is for another name")]
    WrongName,
    /// The other side does not speak TLS.
    #[error("it speaks plain HTTP where HTTPS is needed")]
    PlainHttp,
    /// Anything else.
    #[error("the handshake did not succeed")]
    Handshake,
}

/// Whether asking again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transience {
    /// The answer will be the same.
    Never,
    /// The registry is there and stumbled: reset, 5xx, 429, early end.
    Interrupted,
    /// The registry is not there now: refused, no address, stalled.
    Absent,
}

impl Fault {
    /// Sorts an error of the HTTP client. `url`s are dropped: redirect targets carry signatures.
    pub(crate) fn from_http(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_dns() {
            return Self::NoAddress(error);
        }
        if let Some(why) = tls_fault(&error) {
            return Self::Tls(why, error);
        }
        if error.is_connect() { Self::NoConnection(error) } else { Self::Broken(error) }
    }

    /// Whether asking again can help.
    pub(crate) fn transience(&self) -> Transience {
        match self {
            Self::NoAddress(_) | Self::NoConnection(_) | Self::Stalled(_) => Transience::Absent,
            Self::Broken(_) | Self::Truncated { .. } | Self::WrongRange => Transience::Interrupted,
            Self::Refused(refusal)
                if refusal.status.is_server_error()
                    || matches!(
                        refusal.status,
                        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
                    ) =>
            {
                Transience::Interrupted
            }
            _ => Transience::Never,
        }
    }

    /// How long the registry asks to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }
}

fn tls_fault(error: &reqwest::Error) -> Option<TlsFault> {
    use rustls::{CertificateError as Certificate, Error as Tls, InvalidMessage};
    let fault = match find_tls_error(error)? {
        Tls::InvalidCertificate(Certificate::UnknownIssuer) => TlsFault::UnknownIssuer,
        Tls::InvalidCertificate(
            Certificate::Expired
            | Certificate::ExpiredContext { .. }
            | Certificate::NotValidYet
            | Certificate::NotValidYetContext { .. },
        ) => TlsFault::Expired,
        Tls::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => TlsFault::WrongName,
        Tls::InvalidMessage(InvalidMessage::InvalidContentType) => TlsFault::PlainHttp,
        _ => TlsFault::Handshake,
    };
    Some(fault)
}

/// `io::Error::source` skips the error it wraps, so that one is looked at by hand.
fn find_tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(wrapped) = wrapped {
            if let Some(tls) = wrapped.downcast_ref::<rustls::Error>() {
                return Some(tls);
            }
            next = Some(wrapped);
            continue;
        }
        next = error.source();
    }
    None
}
