//! Where traces go.

use std::fmt;
use std::str::FromStr;

use mirage_core::{Code, Error, Result};
use reqwest::Url;

use mirage_cli::config::env;

/// The longest address that is taken, in bytes.
const LONGEST: usize = 2048;

/// The address of a collector, as OpenTelemetry's own exporters take it: without `/v1/traces`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint(Url);

impl Endpoint {
    /// Where traces are posted.
    pub(crate) fn traces(&self) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/v1/traces", self.0.path().trim_end_matches('/')));
        url
    }

    /// Whether it is spoken to with TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }
}

/// As it was given; there is no secret in it.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    /// What is refused is not quoted: there may be a password in it.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why: &str| {
            Error::new(Code::InvalidRequest, format!("the address of the collector for traces {why}"))
                .field("otlpEndpoint")
                .hint(format!(
                    "give `--otlp-endpoint` or {} an address such as `http://127.0.0.1:4318`",
                    env::OTLP_ENDPOINT
                ))
        };
        if text.len() > LONGEST {
            return Err(refuse(&format!("has {} bytes; at most {LONGEST} are taken", text.len())));
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(refuse("has a space or a control character in it"));
        }
        let url = Url::parse(text).map_err(|_| refuse("is not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("begins with neither `http://` nor `https://`"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("has a user name or a password in it"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("has a `?` or a `#` in it"));
        }
        Ok(Self(url))
    }
}
