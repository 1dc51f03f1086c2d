//! Environment variables of a service.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Code, Error};

/// The name of an environment variable: a letter or underscore, then letters, digits, underscores.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VariableName(String);

impl VariableName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VariableName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let head = |c: char| c.is_ascii_alphabetic() || c == '_';
        let tail = |c: char| head(c) || c.is_ascii_digit() || c == '.' || c == '-';
        if text.len() <= 255 && text.starts_with(head) && text.chars().all(tail) {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::new(Code::InvalidRequest, format!("`{text}` is not the name of a variable"))
            .hint("a name looks like `DATABASE_URL`")
            .field("environmentVariables"))
    }
}

impl TryFrom<String> for VariableName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.message().to_owned())
    }
}

impl From<VariableName> for String {
    fn from(name: VariableName) -> Self {
        name.0
    }
}

impl fmt::Display for VariableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The value of a variable. Values are often secret, so the type shows only how long it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VariableValue(String);

impl VariableValue {
    /// The value itself, for the process that is to have it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for VariableValue {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.contains('\0') {
            return Err("a variable cannot contain a NUL byte".into());
        }
        Ok(Self(text))
    }
}

/// A value that an image or Mirage itself brings; whether a process can have it is found out when
/// the process starts.
impl From<&str> for VariableValue {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<VariableValue> for String {
    fn from(value: VariableValue) -> Self {
        value.0
    }
}

impl fmt::Debug for VariableValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}
