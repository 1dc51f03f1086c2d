//! Domains in requests and answers.

use jiff::Timestamp;
use mirage_control::{Control, ListedDomain};
use mirage_core::{CertificateSource, Error};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A domain that a service is to have.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewDomain {
    /// The host name. Names in other scripts are written as in DNS, `xn--…`.
    #[schema(example = "shop.example.com")]
    domain: String,
    /// Whether plain HTTP is answered with the way to HTTPS, once there is a certificate; absent, it stays as it is,
    /// and is true for a new domain.
    redirect_https: Option<bool>,
    /// Whether it is to have a certificate; absent, it stays as it is, and is true for a new domain. One that was
    /// brought stays.
    certificate: Option<bool>,
}

impl TryFrom<NewDomain> for mirage_control::NewDomain {
    type Error = Error;

    fn try_from(new: NewDomain) -> Result<Self, Error> {
        let NewDomain { domain, redirect_https, certificate } = new;
        Ok(Self { domain: domain.parse()?, redirect_https, certificate })
    }
}

/// A domain of a service.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Domain {
    /// The host name.
    #[schema(example = "shop.example.com")]
    domain: String,
    /// The service that answers.
    service: String,
    /// Its project.
    project: String,
    /// Its environment.
    environment: String,
    /// Whether plain HTTP is answered with the way to HTTPS, once there is a certificate.
    redirect_https: bool,
    /// Its certificate. The private key is in no answer.
    certificate: Certificate,
    /// When it was given to the service.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// How the certificate of a domain stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Certificate {
    /// Where it comes from.
    source: Source,
    /// From when on the one in use is valid; null where there is none.
    #[schema(value_type = Option<String>, format = DateTime)]
    issued_at: Option<Timestamp>,
    /// When it stops being valid.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// When the next one is asked for; null where nobody asks.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_renewal_at: Option<Timestamp>,
    /// When one was last asked for.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_tried_at: Option<Timestamp>,
    /// Why the last attempt failed; null after one that did not.
    last_error: Option<String>,
    /// How good that is: what a face shows it as.
    meaning: Meaning,
    /// How it stands, in half a sentence.
    seen: String,
    /// What to do about that; null where there is nothing to do.
    hint: Option<String>,
}

/// How good something is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum Meaning {
    /// All is well.
    Ok,
    /// On its way.
    Busy,
    /// Nothing happens, and nothing should.
    Wait,
    /// It goes on, but somebody should look.
    Warn,
    /// It failed.
    Bad,
}

impl From<mirage_core::Meaning> for Meaning {
    fn from(meaning: mirage_core::Meaning) -> Self {
        match meaning {
            mirage_core::Meaning::Ok => Self::Ok,
            mirage_core::Meaning::Busy => Self::Busy,
            mirage_core::Meaning::Wait => Self::Wait,
            mirage_core::Meaning::Warn => Self::Warn,
            mirage_core::Meaning::Bad => Self::Bad,
        }
    }
}

/// Where a certificate comes from.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum Source {
    /// From a certificate authority, asked and renewed by Mirage.
    Acme,
    /// From the user.
    Own,
    /// There is none.
    None,
}

impl Domain {
    /// A domain, and how it stands on this platform.
    pub(crate) fn of(view: ListedDomain, control: &Control) -> Self {
        let standing = control.standing(&view);
        let ListedDomain { record, service, project, environment, certificate } = view;
        let source = match record.certificate {
            CertificateSource::Acme => Source::Acme,
            CertificateSource::Own => Source::Own,
            CertificateSource::None => Source::None,
        };
        Self {
            domain: record.domain.to_string(),
            service: service.to_string(),
            project: project.to_string(),
            environment: environment.to_string(),
            redirect_https: record.redirect_https,
            certificate: Certificate {
                source,
                issued_at: certificate.issued_at,
                expires_at: certificate.expires_at,
                next_renewal_at: certificate.next_renewal_at,
                last_tried_at: certificate.last_tried_at,
                last_error: certificate.last_error,
                meaning: standing.meaning.into(),
                seen: standing.seen,
                hint: standing.hint,
            },
            created_at: record.created_at,
        }
    }
}
