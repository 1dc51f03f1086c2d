//! Sentences of the product, which name things in `backticks`: in a page, those are set as code.

use maud::{Markup, html};

use crate::when::cut;

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

/// The beginning of a sentence, with at most so many characters. What it ends within the name of is set as code too.
pub(crate) fn beginning(text: &str, most: usize) -> Markup {
    let begun = cut(text, most);
    match begun.len() < text.len() && begun.matches('`').count() % 2 == 1 {
        true => prose(&format!("{begun}`")),
        false => prose(&begun),
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
    fn a_name_that_is_cut_is_code_up_to_there() {
        let cut = |text: &str, most| beginning(text, most).into_string();
        assert_eq!(cut("pull `nginx:1.27` again", 10), "pull <code>ngin…</code>");
        assert_eq!(cut("pull `nginx:1.27` again", 18), "pull <code>nginx:1.27</code> …");
        assert_eq!(cut("a ` b", 9), "a ` b");
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
