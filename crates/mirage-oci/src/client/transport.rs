//! The HTTP clients: which registry is spoken to with TLS, and whom it may be certified by.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use mirage_core::{Code, Error, RegistryHost, Result};
use reqwest::redirect::Policy;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::OnceCell;

use super::options::{Authority, RegistryOptions};

const USER_AGENT: &str = concat!("mirage/", env!("CARGO_PKG_VERSION"));
const MAX_AUTHORITY_FILE_BYTES: u64 = 4 << 20;
/// Connections kept open to one registry. A pull uses four.
const IDLE_CONNECTIONS: usize = 8;

/// The HTTP clients of the process. Connections are kept alive and shared by everybody.
pub(crate) struct Transport {
    options: RegistryOptions,
    plain: reqwest::Client,
    /// By the registry that has authorities of its own; `None` is everybody else.
    secure: HashMap<Option<RegistryHost>, Secure>,
}

/// A client for TLS, made when it is first needed: reading the machine's authorities takes a while.
struct Secure {
    authorities: Arc<[CertificateDer<'static>]>,
    client: OnceCell<(reqwest::Client, bool)>,
}

/// A client, and whether it can trust anybody.
pub(crate) struct Chosen {
    /// The client.
    pub(crate) client: reqwest::Client,
    /// Whether there is any authority to check certificates against.
    pub(crate) has_authorities: bool,
}

impl Transport {
    /// Reads the files of authorities; opens no connection.
    ///
    /// # Errors
    /// `INVALID_REQUEST` where such a file cannot be read or holds no certificate.
    pub(crate) fn new(options: RegistryOptions) -> Result<Self> {
        let plain = build(&options, RootCertStore::empty())?;
        let named: HashSet<_> = options.authorities.iter().map(|authority| authority.host.clone()).collect();
        let mut secure = HashMap::new();
        for host in named.into_iter().chain([None]) {
            let mut certificates = Vec::new();
            for authority in &options.authorities {
                if authority.host.is_none() || authority.host == host {
                    certificates.extend(read_authority(authority)?);
                }
            }
            secure.insert(host, Secure { authorities: certificates.into(), client: OnceCell::new() });
        }
        Ok(Self { options, plain, secure })
    }

    /// The settings.
    pub(crate) fn options(&self) -> &RegistryOptions {
        &self.options
    }

    /// Whether this registry is spoken to without TLS.
    pub(crate) fn is_plain(&self, host: &RegistryHost) -> bool {
        self.options.plain_http.contains(host)
            || (host.is_loopback() && !self.secure.contains_key(&Some(host.clone())))
    }

    /// The client for an exchange with `host`, or with where `host` redirects to.
    ///
    /// # Errors
    /// `INTERNAL` where TLS cannot be set up.
    pub(crate) async fn client(&self, host: &RegistryHost, tls: bool) -> Result<Chosen> {
        if !tls {
            return Ok(Chosen { client: self.plain.clone(), has_authorities: true });
        }
        let secure = self.secure.get(&Some(host.clone())).or_else(|| self.secure.get(&None));
        let secure =
            secure.ok_or_else(|| Error::internal("choose a TLS client", anyhow::anyhow!("no default")))?;
        let make = || async {
            let authorities = Arc::clone(&secure.authorities);
            let roots = tokio::task::spawn_blocking(move || trusted(&authorities))
                .await
                .map_err(|cause| Error::internal("read the certificate authorities", cause))?;
            let has_authorities = !roots.is_empty();
            Ok((build(&self.options, roots)?, has_authorities))
        };
        let (client, has_authorities) = secure.client.get_or_try_init(make).await?;
        Ok(Chosen { client: client.clone(), has_authorities: *has_authorities })
    }
}

fn read_authority(authority: &Authority) -> Result<Vec<CertificateDer<'static>>> {
    let shown = authority.file.display();
    let refuse = |why: &str| {
        Error::new(Code::InvalidRequest, format!("the authority file `{shown}` {why}"))
            .hint("it must be a file of PEM certificates, starting with `-----BEGIN CERTIFICATE-----`")
    };
    let pem = read_small(&authority.file).map_err(|cause| refuse("cannot be read").because(cause))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|_| refuse("holds a damaged certificate"))?;
    if certificates.is_empty() {
        return Err(refuse("holds no certificate"));
    }
    let mut probe = RootCertStore::empty();
    for certificate in &certificates {
        probe
            .add(certificate.clone())
            .map_err(|cause| refuse("holds a damaged certificate").because(cause))?;
    }
    Ok(certificates)
}

fn read_small(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_AUTHORITY_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Our authorities and the machine's. A machine without any is fine until a certificate is to be checked.
fn trusted(own: &[CertificateDer<'static>]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(own.iter().cloned());
    let machine = rustls_native_certs::load_native_certs();
    let (added, ignored) = roots.add_parsable_certificates(machine.certs);
    tracing::debug!(added, ignored, errors = ?machine.errors, "read the machine's certificate authorities");
    roots
}

/// Redirects are followed by hand, so that credentials and TLS stay where they belong.
fn build(options: &RegistryOptions, roots: RootCertStore) -> Result<reqwest::Client> {
    let setting_up = "set up TLS";
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| Error::internal(setting_up, cause))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(USER_AGENT)
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .tcp_nodelay(true)
        .connect_timeout(options.connect_timeout)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .build()
        .map_err(|cause| Error::internal(setting_up, cause))
}
