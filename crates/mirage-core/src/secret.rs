//! Text that goes in and never comes out.

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// A password, a token, a key. There is no way to show one: no `Display`, no `Serialize` and no
/// `Debug`, so that a type around it cannot derive any of them. Its memory is wiped when it goes.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text itself, for whoever has to check it or to send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it, as in a form field that nobody filled in.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        String::deserialize(json).map(Self::from)
    }
}
