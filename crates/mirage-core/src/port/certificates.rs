//! Where certificates come from.

use std::time::Duration;

use async_trait::async_trait;

use crate::certificate::{Challenge, ChallengeMethod, Validity};
use crate::domain::Domain;
use crate::error::{Error, Result};
use crate::secret::Secret;

/// A certificate authority that is asked by program, and what can be said of certificates without one.
#[async_trait]
pub trait CertificateAuthority: Send + Sync {
    /// Which one: the address of its directory. Accounts belong to it.
    fn directory(&self) -> &str;

    /// Looks at a chain and a key, both PEM, that are to serve this domain.
    ///
    /// # Errors
    /// `INVALID_REQUEST` at the field `certificate` or `key` where they cannot be read, do not belong together,
    /// or are not for this domain.
    fn check(&self, chain: &str, key: &Secret, domain: &Domain) -> Result<Validity>;

    /// A fresh private key, as PEM.
    fn new_key(&self) -> Result<Secret>;

    /// Makes an account, and answers with all that is needed to use it.
    ///
    /// # Errors
    /// With what the authority said.
    async fn register(&self) -> Result<Secret, AuthorityRefusal>;

    /// Orders a certificate and waits until it is there; answers with its chain as PEM.
    ///
    /// # Errors
    /// With what the authority said.
    async fn obtain(
        &self,
        order: &CertificateOrder<'_>,
        stage: &dyn ChallengeStage,
    ) -> Result<String, AuthorityRefusal>;
}

/// Why an authority gave nothing.
#[derive(Clone, Debug)]
pub struct AuthorityRefusal {
    /// What it said.
    pub error: Error,
    /// How long it asked to be left alone (`Retry-After`), where it did.
    pub retry_after: Option<Duration>,
}

impl From<Error> for AuthorityRefusal {
    fn from(error: Error) -> Self {
        Self { error, retry_after: None }
    }
}

/// What is to be ordered.
pub struct CertificateOrder<'a> {
    /// For whom.
    pub domain: &'a Domain,
    /// By whom: what [`CertificateAuthority::register`] answered.
    pub account: &'a Secret,
    /// For which private key.
    pub key: &'a Secret,
    /// An order that was begun earlier with the same key, to go on with.
    pub begun: Option<&'a str>,
    /// How to prove that the domain leads here.
    pub method: ChallengeMethod,
}

/// Where proofs are put for a certificate authority to find.
#[async_trait]
pub trait ChallengeStage: Send + Sync {
    /// The order has this address; it can be gone on with from now on.
    async fn ordered(&self, order: &str) -> Result<()>;

    /// Puts a proof where it is looked for. Done when everybody who asks from now on gets it.
    async fn present(&self, challenge: Challenge) -> Result<()>;
}
