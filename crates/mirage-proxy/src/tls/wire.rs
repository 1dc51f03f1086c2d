//! Certificates on their way to this process: over a unix socket that only its owner and root can open.

use std::fmt;

use mirage_core::{CertificateSet, Challenge, Domain, Secret, ServedCertificate};
use serde::{Deserialize, Serialize, Serializer};

/// A set of certificates in a command or an answer.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct WireSet {
    certificates: Vec<WireCertificate>,
    challenges: Vec<Challenge>,
}

/// A certificate with its key.
#[derive(Clone, Serialize, Deserialize)]
struct WireCertificate {
    domain: Domain,
    chain: String,
    #[serde(serialize_with = "revealed")]
    key: Secret,
}

fn revealed<S: Serializer>(key: &Secret, json: S) -> Result<S::Ok, S::Error> {
    json.serialize_str(key.reveal())
}

impl From<CertificateSet> for WireSet {
    fn from(set: CertificateSet) -> Self {
        let wire = |ServedCertificate { domain, chain, key }| WireCertificate { domain, chain, key };
        Self { certificates: set.certificates.into_iter().map(wire).collect(), challenges: set.challenges }
    }
}

impl From<WireSet> for CertificateSet {
    fn from(set: WireSet) -> Self {
        let served = |WireCertificate { domain, chain, key }| ServedCertificate { domain, chain, key };
        Self { certificates: set.certificates.into_iter().map(served).collect(), challenges: set.challenges }
    }
}

impl fmt::Debug for WireSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} certificates, {} challenges>", self.certificates.len(), self.challenges.len())
    }
}
