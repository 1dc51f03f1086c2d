//! What people take elsewhere: identities, digests, commands.

use std::fmt::Display;

use maud::{Markup, html};

/// Text with a button that copies it. The button is shown by script, as nothing else can copy.
pub(crate) fn copyable(text: impl Display) -> Markup {
    html! {
        span.copy { code { (text) } button type="button" hidden { "Copy" } }
    }
}

/// A text as a POSIX shell takes it for one word.
pub(crate) fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_one_word_whatever_is_in_it() {
        let words = ["a-b_c./:=@,+%", "", "it's slow", "$(x) `y`", "ü"].map(shell_word);
        assert_eq!(words, ["a-b_c./:=@,+%", "''", r"'it'\''s slow'", "'$(x) `y`'", "'ü'"]);
    }
}
