//! Why a request got no answer from a backend.

use http::header::{ALLOW, CONNECTION, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::body::ProxyBody;
use super::page::{self, Format, Page};
use crate::worker::Busy;

/// What went wrong, in words that a visitor may see: the host or the service, never an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No usable host, or several.
    BadHost,
    /// A header field that cannot be passed on.
    BadHead,
    /// A body that is not what its framing says, or that broke off.
    BadBody,
    /// `CONNECT` and `TRACE`.
    Method,
    /// Nobody answers for this host.
    UnknownHost(String),
    /// The service has no instance that takes requests.
    NoBackend(String),
    /// No instance took the connection.
    Unreachable(String),
    /// No instance took the connection in time.
    ConnectTimedOut(String),
    /// The instance took the request and did not answer in time.
    ResponseTimedOut(String),
    /// The instance broke off, or what it said is not HTTP.
    Broken(String),
    /// The client stopped in the middle of its request.
    UploadStalled,
}

impl Failure {
    /// The page, in a form that the client reads.
    pub(super) fn respond(&self, format: Format, busy: Busy) -> Response<ProxyBody> {
        let page = self.page();
        let mut response = page::render(&page, format).map(|body| ProxyBody::page(body, busy));
        let mut add =
            |name: HeaderName, value| response.headers_mut().insert(name, HeaderValue::from_static(value));
        match self {
            Self::NoBackend(_) => drop(add(RETRY_AFTER, "5")),
            Self::Unreachable(_) => drop(add(RETRY_AFTER, "1")),
            Self::Method => drop(add(ALLOW, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")),
            // What follows on the connection cannot be trusted to be a new request.
            Self::UploadStalled | Self::BadHead | Self::BadBody | Self::BadHost if format != Format::Grpc => {
                drop(add(CONNECTION, "close"));
            }
            _ => {}
        }
        response
    }

    /// The status that stands for it.
    pub(super) fn status(&self) -> StatusCode {
        self.page().status
    }

    fn page(&self) -> Page {
        let (status, title, detail) = match self {
            Self::BadHost => (
                StatusCode::BAD_REQUEST,
                "Bad request",
                "The request does not name one valid host".to_owned(),
            ),
            Self::BadHead => (
                StatusCode::BAD_REQUEST,
                "Bad request",
                "The header of the request cannot be passed on".to_owned(),
            ),
            Self::BadBody => {
                (StatusCode::BAD_REQUEST, "Bad request", "The body of the request cannot be read".to_owned())
            }
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                "Method not allowed",
                "This proxy does not pass on CONNECT and TRACE".to_owned(),
            ),
            Self::UnknownHost(host) => {
                (StatusCode::NOT_FOUND, "No such service", format!("No service answers at {host}"))
            }
            Self::NoBackend(service) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Service not ready",
                format!("The service {service} has no instance that takes requests right now"),
            ),
            Self::Unreachable(service) => (
                StatusCode::BAD_GATEWAY,
                "Service not reachable",
                format!("The service {service} did not accept the connection"),
            ),
            Self::ConnectTimedOut(service) => (
                StatusCode::GATEWAY_TIMEOUT,
                "Service not reachable",
                format!("The service {service} did not accept the connection in time"),
            ),
            Self::ResponseTimedOut(service) => (
                StatusCode::GATEWAY_TIMEOUT,
                "Service too slow",
                format!("The service {service} did not answer in time"),
            ),
            Self::Broken(service) => (
                StatusCode::BAD_GATEWAY,
                "Service broke off",
                format!("The service {service} closed the connection without a valid answer"),
            ),
            Self::UploadStalled => (
                StatusCode::REQUEST_TIMEOUT,
                "Request too slow",
                "The rest of the request did not arrive in time".to_owned(),
            ),
        };
        Page { status, title, detail }
    }
}
