//! Sentences of the product, which name things in `backticks`: in a page, those are set as code.

use maud::{Markup, html};

/// A sentence. A backtick without a partner stays one.
pub(crate) fn prose(text: &str) -> Markup {
    let parts: Vec<&str> = text.split('`').collect();
    // Between n backticks there are n + 1 parts; the last one of an odd number has no partner.
    let pairs = (parts.len() - 1) / 2;
    let (paired, rest) = parts.split_at(pairs * 2);
    html! {
        @for pair in paired.chunks(2) { (pair[0]) code { (pair[1]) } }
        (rest.join("`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> String {
        prose(text).into_string()
    }

    #[test]
    fn what_is_named_is_set_as_code() {
        assert_eq!(set("deploy with `--port 3000`"), "deploy with <code>--port 3000</code>");
        assert_eq!(set("`a` and `b`"), "<code>a</code> and <code>b</code>");
        assert_eq!(set("nothing"), "nothing");
    }

    #[test]
    fn a_backtick_alone_stays_what_it_is_and_text_stays_text() {
        assert_eq!(set("a ` b"), "a ` b");
        assert_eq!(set("`a` ` b"), "<code>a</code> ` b");
        assert_eq!(set("`<b>`"), "<code>&lt;b&gt;</code>");
        assert_eq!(set(""), "");
        assert_eq!(set("`"), "`");
    }
}
