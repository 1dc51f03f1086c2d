//! TLS with clients: which certificate for which name, and the handshake.
//!
//! Certificates come from control over the control socket, or from the process before, and are never on disk here.
//! They are replaced as a whole while connections go on.

mod handshake;
mod installed;
pub(crate) mod wire;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use mirage_core::{CertificateSet, Error, Result};
use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, crypto::CryptoProvider};

pub(crate) use handshake::{Handshake, shake};
use installed::Installed;

/// The name by which a client asks for the proof of a challenge (RFC 8737).
const ACME_TLS: &[u8] = b"acme-tls/1";

/// What the process needs to speak TLS, shared by its threads. Its lock is taken for a handshake, for a redirect and
/// for a challenge, never on the way of another request.
pub(crate) struct Tls {
    config: Arc<ServerConfig>,
    shelf: Arc<Shelf>,
    provider: Arc<CryptoProvider>,
}

/// Where the certificates in use are.
struct Shelf(RwLock<Arc<Installed>>);

impl Tls {
    /// Without certificates: every handshake is refused.
    pub(crate) fn new() -> Result<Self> {
        let cannot = |error: rustls::Error| Error::internal("prepare TLS", error);
        let provider = Arc::new(default_provider());
        let shelf = Arc::new(Shelf(RwLock::default()));
        let mut config = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(cannot)?
            .with_no_client_auth()
            .with_cert_resolver(shelf.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Sessions are resumed by tickets alone: nothing is kept here for a client that may come again.
        config.ticketer = Ticketer::new().map_err(cannot)?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self { config: Arc::new(config), shelf, provider })
    }

    /// Serves exactly these certificates and proofs from now on. One that cannot be used is left out, and the log
    /// says so: control has looked at each, and the others are not to suffer.
    pub(crate) fn install(&self, set: CertificateSet) {
        let installed = Installed::new(set, &self.provider);
        *self.shelf.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(installed);
    }

    /// What is in use, for a successor.
    pub(crate) fn set(&self) -> CertificateSet {
        self.shelf.now().set.clone()
    }

    /// Whether there is a certificate for this host.
    pub(crate) fn has(&self, host: &str) -> bool {
        self.shelf.now().certificate(&host.to_ascii_lowercase()).is_some()
    }

    /// The proof that a certificate authority looks for at this host in this file.
    pub(crate) fn proof(&self, host: &str, file: &str) -> Option<String> {
        self.shelf.now().proof(&host.to_ascii_lowercase(), file)
    }

    /// How a handshake goes on; `None` where nothing is served under this name.
    fn config_for(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let name = hello.server_name()?.to_ascii_lowercase();
        let installed = self.shelf.now();
        // Whoever asks for a proof asks for nothing else (RFC 8737, 3).
        if hello.alpn().is_some_and(|mut protocols| protocols.any(|protocol| protocol == ACME_TLS)) {
            return installed.challenge(&name);
        }
        installed.certificate(&name).map(|_| self.config.clone())
    }
}

impl Shelf {
    fn now(&self) -> Arc<Installed> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Shelf {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.now().certificate(&hello.server_name()?.to_ascii_lowercase())
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shelf")
    }
}
