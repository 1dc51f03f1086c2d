//! A certificate authority that gives nothing.

use async_trait::async_trait;
use mirage_core::port::{AuthorityRefusal, CertificateAuthority, CertificateOrder, ChallengeStage};
use mirage_core::{Code, Domain, Error, Result, Secret, Validity};

use crate::World;

/// Takes every chain but one that is `expired`, with every key but that of `another`.
#[async_trait]
impl CertificateAuthority for World {
    fn directory(&self) -> &str {
        "https://ca.test/directory"
    }

    fn check(&self, chain: &str, key: &Secret, _: &Domain) -> Result<Validity> {
        if chain.starts_with("expired") {
            return Err(Error::new(Code::InvalidRequest, "the certificate has expired").field("certificate"));
        }
        if key.reveal().contains("another") {
            let message = "the private key does not belong to the certificate";
            return Err(Error::new(Code::InvalidRequest, message).field("key"));
        }
        Ok(Validity {
            from: "2026-11-01T00:00:00Z".parse().unwrap(),
            until: "2027-11-01T00:00:00Z".parse().unwrap(),
        })
    }

    fn new_key(&self) -> Result<Secret> {
        Ok("a key".to_owned().into())
    }

    async fn register(&self) -> Result<Secret, AuthorityRefusal> {
        Err(Error::new(Code::TargetUnavailable, "the certificate authority is closed").hint("wait").into())
    }

    async fn obtain(
        &self,
        _: &CertificateOrder<'_>,
        _: &dyn ChallengeStage,
    ) -> Result<String, AuthorityRefusal> {
        Err(Error::new(Code::TargetUnavailable, "the certificate authority is closed").into())
    }
}
