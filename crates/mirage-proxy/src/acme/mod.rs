//! Certificates by ACME (RFC 8555), and a look at those that users bring.
//!
//! This is in the proxy's crate because the proxy is what a certificate authority asks, but it runs in the control
//! process: the proxy itself never talks to an authority.

mod http;
mod inspect;
mod order;
mod x509;

use std::path::PathBuf;

use async_trait::async_trait;
use instant_acme::{Account, AccountCredentials, NewAccount};
use mirage_core::port::{AuthorityRefusal, CertificateAuthority, CertificateOrder, ChallengeStage};
use mirage_core::{Code, Domain, Error, Result, Secret, Validity};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};

use http::{Https, Wait};

/// Let's Encrypt.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// A certificate authority that speaks ACME.
#[derive(Clone, Debug)]
pub struct Acme {
    /// Address of its directory, `https://…`.
    pub directory: String,
    /// Where it may write to about certificates.
    pub email: Option<String>,
    /// PEM file with the authorities that its own address is checked against, instead of the system's.
    pub roots: Option<PathBuf>,
}

impl Acme {
    async fn account(&self, account: &Secret, wait: &Wait) -> Result<Account> {
        let credentials: AccountCredentials = serde_json::from_str(account.reveal())
            .map_err(|error| Error::internal("read an account at a certificate authority", error))?;
        let https = Box::new(Https::new(self.roots.as_deref(), wait)?);
        let loaded = Account::builder_with_http(https).from_credentials(credentials).await;
        loaded.map_err(|error| self.failed("could not be reached", &error))
    }

    async fn new_account(&self, wait: &Wait) -> Result<Secret> {
        let contact = self.email.as_ref().map(|email| format!("mailto:{email}"));
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let new =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let https = Box::new(Https::new(self.roots.as_deref(), wait)?);
        let created = Account::builder_with_http(https).create(&new, self.directory.clone(), None).await;
        let (_, credentials) = created.map_err(|error| self.failed("gave no account", &error))?;
        let text = serde_json::to_string(&credentials);
        text.map(Secret::from).map_err(|error| Error::internal("keep an account", error))
    }

    fn failed(&self, what: &str, error: &instant_acme::Error) -> Error {
        let said = match error {
            instant_acme::Error::Api(problem) => order::said(problem),
            // What the crate says of itself ends with the cause.
            other => chain(other),
        };
        Error::new(
            Code::TargetUnavailable,
            format!("the certificate authority at `{}` {what}: {said}", self.host()),
        )
        .hint("the domain must lead to this machine from the internet, on port 80 or on port 443")
    }

    /// The host of the directory, for messages.
    fn host(&self) -> &str {
        let rest = self.directory.split_once("://").map_or(self.directory.as_str(), |(_, rest)| rest);
        rest.split('/').next().unwrap_or(rest)
    }
}

#[async_trait]
impl CertificateAuthority for Acme {
    fn directory(&self) -> &str {
        &self.directory
    }

    fn check(&self, chain: &str, key: &Secret, domain: &Domain) -> Result<Validity> {
        inspect::check(chain, key, domain)
    }

    fn new_key(&self) -> Result<Secret> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256);
        key.map(|key| Secret::from(key.serialize_pem()))
            .map_err(|error| Error::internal("make a private key", error))
    }

    async fn register(&self) -> Result<Secret, AuthorityRefusal> {
        let wait = Wait::default();
        self.new_account(&wait).await.map_err(|error| wait.refusal(error))
    }

    async fn obtain(
        &self,
        order: &CertificateOrder<'_>,
        stage: &dyn ChallengeStage,
    ) -> Result<String, AuthorityRefusal> {
        let wait = Wait::default();
        let obtained = async {
            let account = self.account(order.account, &wait).await?;
            order::obtain(self, &account, order, stage).await
        };
        obtained.await.map_err(|error| wait.refusal(error))
    }
}

/// An error and its causes in one line, each once.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
