//! Environment variables of a service.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{Code, Error};
use crate::id::{EnvironmentId, ServiceId};
use crate::sealed::Sealed;

/// The name of an environment variable: a letter or underscore, then letters, digits, underscores, dots
/// and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VariableName(String);

impl VariableName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the vault binds the value to that a service has for it.
    pub fn binding(&self, service: ServiceId) -> String {
        format!("the variable {self} of service {service}")
    }

    /// What the vault binds the value to that the services of an environment share.
    pub fn shared_binding(&self, environment: EnvironmentId) -> String {
        format!("the variable {self} of environment {environment}")
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

/// The value of a variable, in the clear. Values are often secret, so the type shows only how long it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VariableText(Zeroizing<String>);

/// The value of a variable, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum VariableValue {
    /// Shown to whoever may see the service.
    Plain(VariableText),
    /// Shown to nobody but the process that has it.
    Sealed {
        /// The vault's record.
        sealed: Sealed,
    },
}

/// A variable that the services of an environment share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedVariable {
    /// The environment.
    pub environment: EnvironmentId,
    /// Its name.
    pub name: VariableName,
    /// Its value.
    pub value: VariableValue,
    /// When it was last set.
    pub updated_at: Timestamp,
}

/// A value that somebody gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableInput {
    /// The value.
    pub text: VariableText,
    /// Whether it is to be sealed. What is sealed stays so: another value for it is sealed unasked.
    pub seal: bool,
}

impl VariableText {
    /// The value itself, for the process that is to have it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl VariableValue {
    /// The value, where it may be shown.
    pub fn plain(&self) -> Option<&str> {
        match self {
            Self::Plain(text) => Some(text.reveal()),
            Self::Sealed { .. } => None,
        }
    }
}

impl TryFrom<String> for VariableText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.contains('\0') {
            return Err("a variable cannot contain a NUL byte".into());
        }
        Ok(Self(Zeroizing::new(text)))
    }
}

/// A value that an image or Mirage itself brings; whether a process can have it is found out when
/// the process starts.
impl From<&str> for VariableText {
    fn from(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }
}

impl From<&str> for VariableValue {
    fn from(text: &str) -> Self {
        Self::Plain(text.into())
    }
}

impl From<VariableText> for String {
    fn from(value: VariableText) -> Self {
        value.reveal().to_owned()
    }
}

impl fmt::Debug for VariableText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_value_is_its_text_in_json_and_a_sealed_one_its_record() {
        let plain: VariableValue = serde_json::from_str(r#""hello""#).unwrap();
        assert_eq!(plain.plain(), Some("hello"));
        assert_eq!(serde_json::to_string(&plain).unwrap(), r#""hello""#);
        let sealed = VariableValue::Sealed { sealed: Sealed::new(vec![1, 2, 3]) };
        let json = serde_json::to_string(&sealed).unwrap();
        assert_eq!(json, r#"{"sealed":"AQID"}"#);
        assert_eq!(serde_json::from_str::<VariableValue>(&json).unwrap(), sealed);
        assert_eq!(sealed.plain(), None);
        assert!(serde_json::from_str::<VariableValue>("\"a\\u0000b\"").is_err());
        assert_eq!(format!("{plain:?} {sealed:?}"), "Plain(<5 bytes>) Sealed { sealed: <3 bytes, sealed> }");
    }
}
