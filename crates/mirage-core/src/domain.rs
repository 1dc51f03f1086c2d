//! Domains of a user's own, at which services answer beside the address that Mirage gives them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};
use crate::id::ServiceId;

/// The longest DNS name, and the longest part of one.
const NAME: usize = 253;
const LABEL: usize = 63;

/// Names that mean this machine, or lead to services inside it.
const OWN: &[&str] = &["localhost", "internal"];

/// The path below which certificate authorities look for proofs. On a domain it is Mirage's, not the service's.
pub const CHALLENGE_PATH: &str = "/.well-known/acme-challenge/";

/// A host name of somebody's own: lower-case ASCII with at least two parts, no address, `*` as the whole first
/// part at most. Names in other scripts are written as in DNS, `xn--…`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(String);

impl Domain {
    /// The name as text, without a final dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for every name that has one part more.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with("*.")
    }

    /// Whether a request for this host, in lower case, is meant.
    pub fn covers(&self, host: &str) -> bool {
        match self.0.strip_prefix('*') {
            Some(rest) => host
                .split_once('.')
                .is_some_and(|(first, _)| !first.is_empty() && first != "*" && host[first.len()..] == *rest),
            None => self.0 == host,
        }
    }

    /// Refuses what lies at or below the domain under which Mirage gives addresses itself.
    ///
    /// # Errors
    /// `INVALID_REQUEST`, at the field `domain`.
    pub fn check_outside(&self, base: &str) -> Result<()> {
        let base = base.trim_matches('.').to_ascii_lowercase();
        if self.0 == base || self.0.strip_suffix(&base).is_some_and(|rest| rest.ends_with('.')) {
            return Err(invalid(&self.0, &format!("addresses at `{base}` are given by Mirage"))
                .hint("a service has its address there already; `mirage status` shows it"));
        }
        Ok(())
    }
}

impl FromStr for Domain {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.len() > 4 * NAME {
            return Err(invalid("…", &format!("it has {} bytes, at most {NAME} are allowed", text.len())));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        match check(&name) {
            Ok(()) => Ok(Self(name)),
            Err((why, hint)) => Err(invalid(text, &why).hint(hint)),
        }
    }
}

/// What is wrong with a name, and what to do instead.
fn check(name: &str) -> Result<(), (String, &'static str)> {
    const LOOKS: &str = "a domain looks like `shop.example.com`";
    let refuse = |why: &str| Err((why.to_owned(), LOOKS));
    if name.is_empty() {
        return refuse("it is empty");
    }
    if !name.is_ascii() {
        let hint = "write it as DNS does, such as `xn--bcher-kva.example` for `bücher.example`";
        return Err(("it has other letters than those of ASCII".into(), hint));
    }
    if name.contains("://") || name.contains('/') {
        return Err(("it is an address of a page".into(), "give the host name alone"));
    }
    if name.contains(char::is_whitespace) {
        return refuse("it has a space in it");
    }
    if name.parse::<IpAddr>().is_ok() || name.starts_with('[') {
        return refuse("it is an IP address");
    }
    if name.contains(':') {
        return Err((
            "it has a port".into(),
            "give the host name alone; services answer on the proxy's ports",
        ));
    }
    if name.len() > NAME {
        return refuse(&format!("it has {} characters, at most {NAME} are allowed", name.len()));
    }
    let plain = name.strip_prefix("*.").unwrap_or(name);
    let parts: Vec<&str> = plain.split('.').collect();
    if let Some(own) = parts.last().filter(|last| OWN.contains(last)) {
        return refuse(&format!("names of `{own}` lead to this machine and nowhere else"));
    }
    if parts.len() < 2 {
        return refuse("it has a single part");
    }
    if parts.last().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
        return refuse("its last part is a number");
    }
    parts.iter().try_for_each(|part| label(part).or_else(|why| refuse(&why)))
}

fn label(part: &str) -> Result<(), String> {
    if part.is_empty() {
        return Err("one of its parts is empty".into());
    }
    if part.contains('*') {
        return Err("`*` can only be its whole first part".into());
    }
    if part.len() > LABEL {
        return Err(format!("one of its parts has {} characters, at most {LABEL} are allowed", part.len()));
    }
    if let Some(bad) = part.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
        return Err(format!("`{bad}` is neither a letter, a digit nor a hyphen"));
    }
    if part.starts_with('-') || part.ends_with('-') {
        return Err("one of its parts starts or ends with a hyphen".into());
    }
    Ok(())
}

fn invalid(text: &str, why: &str) -> Error {
    Error::new(Code::InvalidRequest, format!("`{text}` is not a domain for a service: {why}")).field("domain")
}

impl TryFrom<String> for Domain {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.message().to_owned())
    }
}

impl From<Domain> for String {
    fn from(domain: Domain) -> Self {
        domain.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

/// A domain and the one service that answers at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainRecord {
    /// The name; unique on the platform.
    pub domain: Domain,
    /// Who answers.
    pub service: ServiceId,
    /// Whether requests over plain HTTP are sent to HTTPS, once there is a certificate.
    pub redirect_https: bool,
    /// Where its certificate comes from.
    pub certificate: CertificateSource,
    /// When it was given to the service.
    pub created_at: Timestamp,
}

/// Where a domain's certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CertificateSource {
    /// From a certificate authority, asked and renewed by Mirage.
    Acme,
    /// From the user.
    Own,
    /// There is none: HTTP alone.
    None,
}

impl CertificateSource {
    /// The word for it, lower-case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acme => "acme",
            Self::Own => "own",
            Self::None => "none",
        }
    }
}

#[cfg(test)]
mod tests;
