//! The token of whoever asks.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A token as it was given; it can be shown to the API and to nobody else.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// The token itself, for the header of a request.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for Token {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.trim().to_owned()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}
