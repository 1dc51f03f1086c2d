//! What the vault made of a secret.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

/// A sealed secret: of no use without the vault's key, and for nothing but what it was sealed for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// A record as the vault writes it.
    pub fn new(record: Vec<u8>) -> Self {
        Self(record)
    }

    /// The record.
    pub fn record(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<String> for Sealed {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        STANDARD_NO_PAD.decode(text).map(Self).map_err(|_| "a sealed value is not in base64")
    }
}

impl From<Sealed> for String {
    fn from(sealed: Sealed) -> Self {
        STANDARD_NO_PAD.encode(sealed.0)
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes, sealed>", self.0.len())
    }
}
