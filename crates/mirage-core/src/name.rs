//! Names of projects, environments and services.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Code, Error};

/// The longest name. A DNS label holds 63 characters, and a service shares its label with its environment.
pub(crate) const MAX_LENGTH: usize = 40;

/// A name that is also a DNS label: lower-case letters, digits and inner hyphens, 1 to 40 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest valid name to any text: `My_App` becomes `my-app`. `None` where nothing is left.
    pub fn suggest(text: &str) -> Option<Self> {
        let mut name = String::new();
        for c in text.chars().flat_map(char::to_lowercase) {
            match c {
                'a'..='z' | '0'..='9' => name.push(c),
                _ if name.ends_with('-') || name.is_empty() => {}
                _ => name.push('-'),
            }
        }
        name.truncate(MAX_LENGTH);
        let name = name.trim_end_matches('-');
        check(name).is_ok().then(|| Self(name.to_owned()))
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let Err(why) = check(text) else { return Ok(Self(text.to_owned())) };
        let error = Error::new(Code::InvalidRequest, format!("`{text}` is not a valid name: {why}"));
        Err(match Name::suggest(text) {
            Some(near) => error.hint(format!("`{near}` would do")),
            None => error.hint("a name looks like `web` or `billing-api-2`"),
        })
    }
}

/// What is wrong with a name.
fn check(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("it is empty".into());
    }
    let length = text.chars().count();
    if length > MAX_LENGTH {
        return Err(format!("it has {length} characters, at most {MAX_LENGTH} are allowed"));
    }
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.contains(char::is_whitespace) {
        return Err("it has a space in it".into());
    }
    if let Some(bad) = text.chars().find(|c| c.is_uppercase()) {
        return Err(format!("`{bad}` is an upper-case letter"));
    }
    if let Some(bad) = text.chars().find(|c| !fine(*c)) {
        return Err(format!("`{bad}` is neither a lower-case letter, a digit nor a hyphen"));
    }
    match (text.starts_with('-'), text.ends_with('-')) {
        (true, _) => Err("it starts with a hyphen".into()),
        (_, true) => Err("it ends with a hyphen".into()),
        _ => Ok(()),
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.message().to_owned())
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_dns_labels_are_accepted() {
        for text in ["a", "web", "billing-api-2", "0x"] {
            assert_eq!(text.parse::<Name>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_refusal_says_what_is_wrong_and_what_would_do() {
        for (text, message, hint) in [
            ("", "`` is not a valid name: it is empty", "a name looks like `web` or `billing-api-2`"),
            ("My_App", "`My_App` is not a valid name: `M` is an upper-case letter", "`my-app` would do"),
            ("-x", "`-x` is not a valid name: it starts with a hyphen", "`x` would do"),
            ("x-", "`x-` is not a valid name: it ends with a hyphen", "`x` would do"),
            ("my app", "`my app` is not a valid name: it has a space in it", "`my-app` would do"),
            (
                "my_app",
                "`my_app` is not a valid name: `_` is neither a lower-case letter, a digit nor a hyphen",
                "`my-app` would do",
            ),
        ] {
            let error = text.parse::<Name>().unwrap_err();
            assert_eq!((error.message(), error.next_step()), (message, Some(hint)));
        }
        assert!("a".repeat(41).parse::<Name>().is_err());
    }
}
