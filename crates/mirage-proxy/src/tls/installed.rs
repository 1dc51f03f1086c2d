//! Certificates and proofs as they are looked up.

use std::collections::HashMap;
use std::sync::Arc;

use mirage_core::{CertificateSet, Challenge, ChallengeMethod, ServedCertificate};
use rcgen::{CertificateParams, CustomExtension, KeyPair, PKCS_ECDSA_P256_SHA256};
use ring::digest::{SHA256, digest};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::ACME_TLS;

/// What is served.
#[derive(Default)]
pub(super) struct Installed {
    pub(super) set: CertificateSet,
    /// By domain; a wildcard with its `*`.
    certificates: HashMap<String, Arc<CertifiedKey>>,
    /// By domain and file.
    proofs: HashMap<(String, String), String>,
    /// By domain.
    challenges: HashMap<String, Arc<ServerConfig>>,
}

impl Installed {
    pub(super) fn new(set: CertificateSet, provider: &Arc<CryptoProvider>) -> Self {
        let mut installed = Self::default();
        for one in &set.certificates {
            match certified(one, provider) {
                Ok(certified) => {
                    installed.certificates.insert(one.domain.to_string(), Arc::new(certified));
                }
                Err(error) => tracing::error!(domain = %one.domain, %error, "a certificate cannot be used"),
            }
        }
        for challenge in &set.challenges {
            let domain = challenge.domain.to_string();
            match challenge.method {
                ChallengeMethod::Http => {
                    installed.proofs.insert((domain, challenge.file.clone()), challenge.proof.clone());
                }
                ChallengeMethod::TlsAlpn => match proving(challenge, provider) {
                    Ok(config) => drop(installed.challenges.insert(domain, config)),
                    Err(error) => tracing::error!(%domain, %error, "a challenge cannot be answered"),
                },
            }
        }
        Self { set, ..installed }
    }

    /// The certificate for a host in lower case: its own, or that of the wildcard above it.
    pub(super) fn certificate(&self, host: &str) -> Option<Arc<CertifiedKey>> {
        let own = self.certificates.get(host);
        own.or_else(|| {
            let (_, rest) = host.split_once('.')?;
            self.certificates.get(&format!("*.{rest}"))
        })
        .cloned()
    }

    pub(super) fn proof(&self, host: &str, file: &str) -> Option<String> {
        if self.proofs.is_empty() {
            return None;
        }
        self.proofs.get(&(host.to_owned(), file.to_owned())).cloned()
    }

    pub(super) fn challenge(&self, host: &str) -> Option<Arc<ServerConfig>> {
        self.challenges.get(host).cloned()
    }
}

fn certified(one: &ServedCertificate, provider: &CryptoProvider) -> anyhow::Result<CertifiedKey> {
    let chain = CertificateDer::pem_slice_iter(one.chain.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(one.key.reveal().as_bytes())?;
    Ok(CertifiedKey::from_der(chain, key, provider)?)
}

/// The certificate that proves a domain (RFC 8737, 3): signed by itself, with the digest of the proof in it.
fn proving(challenge: &Challenge, provider: &Arc<CryptoProvider>) -> anyhow::Result<Arc<ServerConfig>> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new([challenge.domain.to_string()])?;
    let proof = digest(&SHA256, challenge.proof.as_bytes());
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(proof.as_ref())];
    let certificate = params.self_signed(&key)?;
    let key = provider.key_provider.load_private_key(PrivatePkcs8KeyDer::from(key.serialize_der()).into())?;
    // Not looked at by webpki, which does not know the extension that must be understood.
    let certified = CertifiedKey::new(vec![certificate.der().clone()], key);
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    Ok(Arc::new(config))
}
