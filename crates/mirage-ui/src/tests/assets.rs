//! Files that every page brings along: what they are, and how large they may be.

use ring::digest::{SHA256, digest};

use crate::asset::{ALL, HTMX, STYLE};

/// What was vendored, as its makers released it.
const VENDORED: [(&str, &str, &str); 2] = [
    (
        "htmx 2.0.10",
        include_str!("../../assets/vendor/htmx-2.0.10.min.js"),
        "71ea67185bfa8c98c39d31717c6fce5d852370fcdfd129db4543774d3145c0de",
    ),
    (
        "htmx-ext-sse 2.2.4",
        include_str!("../../assets/vendor/htmx-sse-2.2.4.min.js"),
        "98a46496de0c3605fbffdce9167ba427bdd9553184f83f149c261891a92c0136",
    ),
];
/// Lines of script of our own.
const OWN_LINES: usize = 300;
const SCRIPTS_MAX: usize = 75_000;
const STYLE_MAX: usize = 25_000;

#[test]
fn what_was_vendored_is_what_was_released() {
    for (name, text, wanted) in VENDORED {
        let hash: String =
            digest(&SHA256, text.as_bytes()).as_ref().iter().map(|it| format!("{it:02x}")).collect();
        assert_eq!(hash, wanted, "{name}");
        assert!(HTMX.text().contains(text), "{name} is served");
    }
}

#[test]
fn style_and_scripts_stay_small() {
    let scripts = || ALL.into_iter().filter(|asset| asset.path().ends_with(".js"));
    let bytes: usize = scripts().map(|script| script.text().len()).sum();
    assert!(bytes <= SCRIPTS_MAX, "{bytes} bytes of script");
    let own = scripts().filter(|script| script.path() != HTMX.path());
    let lines: usize = own.map(|script| script.text().lines().count()).sum();
    assert!(lines <= OWN_LINES, "{lines} lines of script of our own");
    assert!(STYLE.text().len() <= STYLE_MAX, "{} bytes of style", STYLE.text().len());
}
