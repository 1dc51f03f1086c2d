//! HTTPS to a certificate authority, with limits.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ::http::Request;
use bytes::Bytes;
use http_body_util::Limited;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
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

/// A client for one exchange with an authority.
pub(super) struct Https(Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>);

impl Https {
    /// Believes the authorities in this PEM file, or where none is named, those of the system.
    pub(super) fn new(roots: Option<&Path>) -> Result<Self> {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::internal("prepare TLS", error))?
            .with_root_certificates(store(roots)?)
            .with_no_client_auth();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().build();
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }
}

impl HttpClient for Https {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let answer = self.0.request(request);
        Box::pin(async move {
            let other = |error| instant_acme::Error::Other(error);
            let answer = timeout(ANSWER, answer).await.map_err(|late| other(Box::new(late)))?;
            let answer = answer.map_err(|error| other(Box::new(error)))?;
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
