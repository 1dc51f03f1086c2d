//! Faults in words: what a user hears when the platform's registry does not take something.

use mirage_core::{Code, Error};
use reqwest::StatusCode;

use crate::client::fault::{Fault, Refusal};

/// The user's error for a fault of the registry at `at`, while Mirage was to do something: `push a blob`.
pub(super) fn report(fault: Fault, at: &str, doing: &str) -> Error {
    let error = match &fault {
        Fault::Here(error) => return error.clone(),
        Fault::NoAddress(_) | Fault::NoConnection(_) => {
            Error::new(Code::TargetUnavailable, format!("no platform answers at `{at}`"))
                .hint("start one with `mirage serve`, or set MIRAGE_URL to where it is")
        }
        Fault::Tls(why, _) => {
            Error::new(Code::RegistryTlsError, format!("no safe connection to `{at}`: {why}"))
                .hint("give Mirage the certificate of its authority with MIRAGE_REGISTRY_CA")
        }
        Fault::WebPage => not_a_platform(at),
        Fault::Refused(refusal) => refused(refusal, at, doing),
        fault => Error::new(Code::RegistryUnreachable, format!("`{at}` did not let Mirage {doing}: {fault}"))
            .hint("try again; if it stays like this, the log of `mirage serve` has the cause"),
    };
    error.because(fault)
}

fn refused(refusal: &Refusal, at: &str, doing: &str) -> Error {
    let words = refusal.message.as_deref().unwrap_or_default();
    let said = match words {
        "" => format!("it answered `{}`", refusal.status),
        words => words.to_owned(),
    };
    let error = |code| Error::new(code, format!("`{at}` did not let Mirage {doing}: {said}"));
    match (refusal.status, refusal.code.as_deref().unwrap_or_default()) {
        (StatusCode::UNAUTHORIZED, _) => {
            Error::new(Code::Unauthenticated, format!("`{at}` wants a token, or another one"))
                .hint("set MIRAGE_TOKEN to the content of `admin.token` in the data folder of the platform")
        }
        (StatusCode::FORBIDDEN, _) => {
            error(Code::Forbidden).hint("use a token that may push and pull images")
        }
        (StatusCode::INSUFFICIENT_STORAGE, _) => {
            error(Code::DiskFull).hint("free some space where the platform keeps its data, and try again")
        }
        (StatusCode::PAYLOAD_TOO_LARGE, _) => error(Code::ImageTooLarge).hint("make the image smaller"),
        (StatusCode::TOO_MANY_REQUESTS, _) => error(Code::RegistryRateLimited).hint("try again later"),
        (_, "DIGEST_INVALID" | "SIZE_INVALID") => error(Code::ImagePullError)
            .hint("what is pushed changed while it was read, or on the way: try again"),
        (_, "NAME_INVALID" | "TAG_INVALID" | "MANIFEST_INVALID" | "MANIFEST_BLOB_UNKNOWN") => {
            error(Code::InvalidRequest).hint("the registry takes OCI images and those of Docker's schema 2")
        }
        (StatusCode::NOT_FOUND, "") => not_a_platform(at),
        _ => error(Code::RegistryUnreachable)
            .hint("try again; if it stays like this, the log of `mirage serve` has the cause"),
    }
}

fn not_a_platform(at: &str) -> Error {
    Error::new(Code::TargetUnavailable, format!("`{at}` answers, but not as a registry"))
        .hint("check that MIRAGE_URL is the address of a Mirage platform")
}
