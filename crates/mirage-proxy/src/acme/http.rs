//! HTTPS to a certificate authority, with limits.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::http::header::{DATE, RETRY_AFTER};
use ::http::{HeaderMap, HeaderValue, Request, StatusCode};
use bytes::Bytes;
use http_body_util::Limited;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use jiff::fmt::rfc2822;
use mirage_core::port::AuthorityRefusal;
use mirage_core::{Code, Error, Result};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// The largest answer that is read, in bytes.
const LARGEST: usize = 1024 * 1024;

/// The longest time that an authority may ask to be left alone.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// How long an authority asked to be left alone, where its last answer was a refusal.
#[derive(Clone, Default)]
pub(super) struct Wait(Arc<Mutex<Option<Duration>>>);

impl Wait {
    /// The error together with that.
    pub(super) fn refusal(&self, error: Error) -> AuthorityRefusal {
        AuthorityRefusal { error, retry_after: *self.0.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Takes note of an answer. What it asks for is bounded for whoever reads it after this: the client would add it to
    /// the time of day.
    fn note(&self, status: StatusCode, headers: &mut HeaderMap) {
        let asked = retry_after(headers).map(|asked| asked.min(LONGEST_WAIT));
        headers.remove(RETRY_AFTER);
        headers.extend(asked.map(|asked| (RETRY_AFTER, HeaderValue::from(asked.as_secs()))));
        let refused = status.is_client_error() || status.is_server_error();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = asked.filter(|_| refused);
    }
}

/// In seconds, or as a time that is compared with that of the answer (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let parser = rfc2822::DateTimeParser::new().relaxed_weekday(true);
    let (then, now) = (text, headers.get(DATE)?.to_str().ok()?.trim());
    let (then, now) = (parser.parse_timestamp(then).ok()?, parser.parse_timestamp(now).ok()?);
    Some(then.duration_since(now).try_into().unwrap_or_default())
}

/// A client for one exchange with an authority.
pub(super) struct Https {
    client: Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>,
    wait: Wait,
}

impl Https {
    /// Believes the authorities in this PEM file, or where none is named, those of the system.
    pub(super) fn new(roots: Option<&Path>, wait: &Wait) -> Result<Self> {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::internal("prepare TLS", error))?
            .with_root_certificates(store(roots)?)
            .with_no_client_auth();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().build();
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(connector), wait: wait.clone() })
    }
}

impl HttpClient for Https {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let (answer, wait) = (self.client.request(request), self.wait.clone());
        Box::pin(async move {
            let other = |error| instant_acme::Error::Other(error);
            let answer = timeout(ANSWER, answer).await.map_err(|late| other(Box::new(late)))?;
            let mut answer = answer.map_err(|error| other(Box::new(error)))?;
            wait.note(answer.status(), answer.headers_mut());
            Ok(BytesResponse::from(answer.map(|body| Limited::new(body, LARGEST))))
        })
    }
}

fn store(roots: Option<&Path>) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    match roots {
        Some(file) => {
            let unusable = |why: String| {
                Error::new(
                    Code::TargetUnavailable,
                    format!("`{}` has no usable authorities: {why}", file.display()),
                )
                .hint("`--acme-ca` takes a PEM file with certificates of authorities")
            };
            let read = CertificateDer::pem_file_iter(file).and_then(|certificates| certificates.collect());
            let certificates: Vec<_> = read.map_err(|error| unusable(error.to_string()))?;
            store.add_parsable_certificates(certificates);
            if store.is_empty() {
                return Err(unusable("there is no certificate in it".into()));
            }
        }
        None => drop(store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    Ok(store)
}
