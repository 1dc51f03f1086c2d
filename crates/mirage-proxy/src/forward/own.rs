//! Requests that the proxy answers itself: proofs for certificate authorities, and the way to HTTPS.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use mirage_core::CHALLENGE_PATH;

use super::body::ProxyBody;
use super::origin::X_FORWARDED_PROTO;
use crate::worker::{Busy, RoutedService, Seat};

/// The longest name of a file with a proof; those of Let's Encrypt have 43 bytes.
const LONGEST_FILE: usize = 128;

/// An answer that is no service's.
pub(super) enum OwnAnswer {
    /// The proof that was looked for.
    Proof(String),
    /// There is no such proof. The path is not the service's to answer.
    NoProof,
    /// The same over HTTPS.
    ToHttps(HeaderValue),
}

impl OwnAnswer {
    /// The proxy's own answer to this request, if it is its to answer. `name` is the host of the request without its
    /// port, `host` with it, `service` who answers there.
    pub(super) fn of<B>(
        seat: &Seat,
        request: &Request<B>,
        name: &str,
        host: &HeaderValue,
        service: Option<&RoutedService>,
    ) -> Option<Self> {
        let domain = service.and_then(|service| service.domain);
        if let Some(file) = request.uri().path().strip_prefix(CHALLENGE_PATH) {
            let is_asked =
                matches!(*request.method(), Method::GET | Method::HEAD) && file.len() <= LONGEST_FILE;
            let proof = if is_asked { seat.worker.settings.tls.proof(name, file) } else { None };
            return proof.map(Self::Proof).or(domain.map(|_| Self::NoProof));
        }
        if !domain?.redirect_https || is_secure(seat, request) {
            return None;
        }
        let tls_port = seat.worker.settings.tls_port?;
        if !seat.worker.settings.tls.has(name) {
            return None;
        }
        // Whoever came to the usual port without naming it came through something that leads it here, and so it will
        // be with the usual port of HTTPS.
        let names_port =
            host.as_bytes().iter().rposition(|byte| *byte == b':').is_some_and(|at| at + 1 < host.len());
        let port = if names_port && tls_port != 443 { format!(":{tls_port}") } else { String::new() };
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        HeaderValue::from_str(&format!("https://{name}{port}{path}")).ok().map(Self::ToHttps)
    }

    pub(super) fn respond(self, busy: Busy) -> Response<ProxyBody> {
        let (status, text) = match &self {
            Self::Proof(proof) => (StatusCode::OK, proof.clone()),
            Self::NoProof => (StatusCode::NOT_FOUND, "No challenge is open here\n".to_owned()),
            Self::ToHttps(_) => (StatusCode::PERMANENT_REDIRECT, String::new()),
        };
        let mut response = Response::new(ProxyBody::page(Bytes::from(text), busy));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if let Self::ToHttps(location) = self {
            headers.insert(LOCATION, location);
        } else {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        response
    }
}

/// Whether the client speaks TLS with us, or with a proxy before us that is believed.
fn is_secure<B>(seat: &Seat, request: &Request<B>) -> bool {
    let origin = &seat.client.origin;
    let told =
        || request.headers().get(X_FORWARDED_PROTO).is_some_and(|scheme| scheme.as_bytes() == b"https");
    origin.tls || origin.trusted && told()
}
