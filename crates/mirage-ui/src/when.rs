//! Times and sizes as people read them.

use jiff::Timestamp;
use maud::{Markup, html};
use mirage_core::Digest;

/// How long ago something was, with the exact time for whoever points at it.
pub(crate) fn ago(then: Timestamp, now: Timestamp) -> Markup {
    html! { (since(then, now)) " ago" }
}

/// How long something has lasted.
pub(crate) fn since(then: Timestamp, now: Timestamp) -> Markup {
    let exact = format!("{then:.0}");
    let seconds = now.duration_since(then).as_secs().max(0).unsigned_abs();
    html! { time datetime=(exact) title=(exact) { (span(seconds)) } }
}

/// How long something lasts that is not over: it counts on while somebody looks.
pub(crate) fn lasting(from: Timestamp, now: Timestamp) -> Markup {
    let seconds = now.duration_since(from).as_secs().max(0).unsigned_abs();
    html! { span title=(format!("since {from:.0}")) { (span(seconds)) } }
}

/// A moment, to the second.
pub(crate) fn exact(then: Timestamp) -> Markup {
    let text = format!("{then:.0}");
    // In the platform's time, UTC, which the `title` says.
    html! { time.mono datetime=(text) title=(text) { (then.strftime("%Y-%m-%d %H:%M:%S")) } }
}

/// A duration that something took.
pub(crate) fn took(from: Timestamp, until: Timestamp) -> String {
    let millis = until.duration_since(from).as_millis().max(0);
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        _ => format!("{} m {:02} s", millis / 60_000, millis / 1000 % 60),
    }
}

/// The first digits of a digest; the whole of it for whoever points at it.
pub(crate) fn short_digest(digest: &Digest) -> Markup {
    html! { span.mono title=(digest.to_string()) { (digest.short()) } }
}

/// Text with at most so many characters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} m", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_largest_unit_that_fits() {
        let told: Vec<_> = [0, 59, 60, 3599, 3600, 86_399, 86_400, 3 * 86_400].map(span).into();
        assert_eq!(told, ["0 s", "59 s", "1 m", "59 m", "1 h", "23 h", "1 d", "3 d"]);
    }

    #[test]
    fn durations_are_told_as_closely_as_they_matter_and_never_below_nothing() {
        let start: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let after = |millis: i64| took(start, start + jiff::SignedDuration::from_millis(millis));
        assert_eq!(
            [0, 640, 59_999, 60_000, 125_000].map(after),
            ["0 ms", "640 ms", "59.9 s", "1 m 00 s", "2 m 05 s"]
        );
        assert_eq!(took(start + jiff::SignedDuration::from_secs(5), start), "0 ms");
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!((cut("äöü", 3), cut("äöü", 2)), ("äöü".into(), "äö…".into()));
    }
}
