//! What a state means to whoever looks at it, in a terminal or in a browser.

use serde::Deserialize;

/// The five meanings that a state can have, never more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Meaning {
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

impl Meaning {
    /// The glyph that says the same without colour.
    pub fn glyph(self) -> &'static str {
        match self {
            Self::Ok => "●",
            Self::Busy => "◐",
            Self::Wait => "○",
            Self::Warn => "▲",
            Self::Bad => "✕",
        }
    }
}
