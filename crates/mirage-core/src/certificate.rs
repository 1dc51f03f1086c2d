//! Certificates: how each stands, and when it is renewed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::Domain;
use crate::secret::Secret;

/// After this part of a lifetime a certificate is renewed, in thirds.
const RENEWED_AFTER: i32 = 2;
/// The first pause after a failure, in seconds; it doubles. A certificate authority counts failures by the hour.
const FIRST_PAUSE: i64 = 600;
const LONGEST_PAUSE: i64 = 24 * 3600;

/// How the certificate of a domain stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateStatus {
    /// From when on the one in use is valid; `None` where there is none yet.
    pub issued_at: Option<Timestamp>,
    /// When it stops being valid.
    pub expires_at: Option<Timestamp>,
    /// When the next one is asked for; `None` where nobody asks.
    pub next_renewal_at: Option<Timestamp>,
    /// Why the last attempt failed; `None` after one that did not.
    pub last_error: Option<String>,
    /// When one was last asked for.
    pub last_tried_at: Option<Timestamp>,
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From here on.
    pub from: Timestamp,
    /// Until here.
    pub until: Timestamp,
}

impl Validity {
    /// When a certificate is to be renewed: at two thirds of its lifetime, a little earlier by chance, so that
    /// those that came together do not go on coming together. `chance` is any number.
    pub fn renewal_at(&self, chance: u32) -> Timestamp {
        let lifetime = self.until.duration_since(self.from);
        let due = self.from.saturating_add(lifetime * RENEWED_AFTER / 3).unwrap_or(self.until);
        let most_early = lifetime / 20;
        let early = SignedDuration::from_secs(most_early.as_secs() * i64::from(chance) / i64::from(u32::MAX));
        due.saturating_sub(early).unwrap_or(due)
    }
}

/// How long to wait after this many failures in a row, at most a tenth longer by chance. Where the authority asked to
/// be left alone for longer, as long as that, up to a day.
pub fn retry_pause(failures: u32, chance: u32, asked: Option<Duration>) -> SignedDuration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(20));
    let asked = asked.map_or(0, |asked| i64::try_from(asked.as_secs()).unwrap_or(i64::MAX));
    let doubled = doubled.max(asked).min(LONGEST_PAUSE);
    SignedDuration::from_secs(doubled + doubled / 10 * i64::from(chance) / i64::from(u32::MAX))
}

/// Everything that the proxy needs to speak TLS; replaced as a whole.
#[derive(Clone, Default)]
pub struct CertificateSet {
    /// Certificates with their keys.
    pub certificates: Vec<ServedCertificate>,
    /// Proofs that certificate authorities come for.
    pub challenges: Vec<Challenge>,
}

/// A certificate and its key.
#[derive(Clone)]
pub struct ServedCertificate {
    /// The domain that it was got or given for.
    pub domain: Domain,
    /// The chain, its own certificate first, as PEM.
    pub chain: String,
    /// The private key, as PEM.
    pub key: Secret,
}

/// A proof that a domain leads here, for whoever asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// The domain.
    pub domain: Domain,
    /// How it is asked for.
    pub method: ChallengeMethod,
    /// The name of the file below [`crate::CHALLENGE_PATH`].
    pub file: String,
    /// What is in it. Not a secret: anybody may ask.
    pub proof: String,
}

/// How a certificate authority finds out that a domain leads here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChallengeMethod {
    /// By a file over plain HTTP on port 80 (RFC 8555, 8.3).
    Http,
    /// By a certificate of its own over TLS on port 443 (RFC 8737).
    TlsAlpn,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_at_two_thirds_of_its_life_or_a_little_earlier() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let validity = Validity { from: at(0), until: at(90 * 86_400) };
        assert_eq!(validity.renewal_at(0), at(60 * 86_400));
        let earliest = validity.renewal_at(u32::MAX);
        assert_eq!(earliest, at(60 * 86_400 - 90 * 86_400 / 20));
        let brief = Validity { from: at(0), until: at(6) };
        assert_eq!(brief.renewal_at(u32::MAX), at(4));
    }

    #[test]
    fn the_pause_doubles_with_each_failure_up_to_a_day() {
        let minutes = |failures| retry_pause(failures, 0, None).as_secs() / 60;
        assert_eq!([1, 2, 3, 4].map(minutes), [10, 20, 40, 80]);
        assert_eq!([9, 100, u32::MAX].map(minutes), [1440; 3]);
        assert_eq!(retry_pause(1, u32::MAX, None).as_secs(), 660);
    }

    #[test]
    fn an_authority_that_asks_for_a_longer_pause_gets_it_up_to_a_day() {
        let minutes =
            |failures, asked| retry_pause(failures, 0, Some(Duration::from_secs(asked))).as_secs() / 60;
        assert_eq!([60, 3600, 86_400, u64::MAX].map(|asked| minutes(1, asked)), [10, 60, 1440, 1440]);
        assert_eq!(minutes(4, 600), 80, "a shorter one is none");
    }
}
