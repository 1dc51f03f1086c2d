//! What people take elsewhere: identities, digests, commands.

use std::fmt::Display;

use maud::{Markup, html};

/// Text with a button that copies it. The button is shown by script, as nothing else can copy.
pub(crate) fn copyable(text: impl Display) -> Markup {
    html! {
        span.copy { code { (text) } button type="button" hidden { "Copy" } }
    }
}
