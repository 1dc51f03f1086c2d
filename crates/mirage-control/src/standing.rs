//! How the certificate of a domain stands, for people.

use mirage_core::{CertificateSource, CertificateStatus, DomainRecord, Meaning};
use mirage_store::ListedDomain;

use crate::Control;

/// What to do where the proxy speaks no TLS.
pub(crate) const LISTEN: &str = "start `mirage serve` with `--proxy-tls-listen`, such as `0.0.0.0:443`";

/// What is to be said about the certificate of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How good that is.
    pub meaning: Meaning,
    /// The same in a word or two.
    pub word: &'static str,
    /// What was seen, in half a sentence.
    pub seen: String,
    /// What to do about it; `None` where there is nothing to do.
    pub hint: Option<String>,
}

impl Control {
    /// How the certificate of a domain stands now.
    pub fn standing(&self, listed: &ListedDomain) -> Standing {
        self.standing_of(&listed.record, &listed.certificate)
    }

    /// The same for what is read without its service.
    pub(crate) fn standing_of(&self, record: &DomainRecord, status: &CertificateStatus) -> Standing {
        let domain = &record.domain;
        let renew = || Some(format!("`mirage domain renew {domain}` tries again at once"));
        let of = |meaning, word, seen: String, hint| Standing { meaning, word, seen, hint };
        if record.certificate == CertificateSource::None {
            return of(
                Meaning::Wait,
                "none wanted",
                "no certificate is wanted, it answers over plain HTTP".into(),
                None,
            );
        }
        if self.parts.settings.proxy_tls_port.is_none() {
            let seen = "it answers over plain HTTP alone, as the proxy does not listen for TLS".into();
            return of(Meaning::Warn, "plain HTTP alone", seen, Some(LISTEN.into()));
        }
        let day = |time: jiff::Timestamp| time.strftime("%Y-%m-%d");
        match (record.certificate, status.expires_at, &status.last_error) {
            (source, Some(end), _) if end <= self.now() => {
                let hint = match source {
                    CertificateSource::Own => Some(format!(
                        "`mirage domain certificate {domain} --cert FILE --key FILE` brings a new one"
                    )),
                    _ => renew(),
                };
                of(Meaning::Bad, "expired", format!("its certificate expired on {}", day(end)), hint)
            }
            (_, None, Some(why)) => {
                of(Meaning::Bad, "refused", format!("it has no certificate: {why}"), renew())
            }
            (_, None, None) => {
                let hint = "until it is there the domain answers over plain HTTP; `mirage domain list` shows how that goes";
                of(Meaning::Busy, "asked for", "its certificate is asked for".into(), Some(hint.into()))
            }
            (_, Some(end), Some(why)) => {
                let seen = format!("its certificate is valid until {}, and is not renewed: {why}", day(end));
                of(Meaning::Warn, "not renewed", seen, renew())
            }
            (_, Some(end), None) => {
                of(Meaning::Ok, "valid", format!("its certificate is valid until {}", day(end)), None)
            }
        }
    }
}
