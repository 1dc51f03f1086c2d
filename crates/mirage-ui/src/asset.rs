//! Files that pages need, from memory. Their address has a hash of what is in them, so a browser keeps them for good.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

use crate::fault::{Fault, no_page};
use crate::page::At;

/// The look of all pages: its layers one after the other.
pub(crate) static STYLE: Asset = Asset::new("style", "css", "text/css; charset=utf-8", || {
    let layers = [
        include_str!("../assets/style/tokens.css"),
        include_str!("../assets/style/base.css"),
        include_str!("../assets/style/shell.css"),
        include_str!("../assets/style/parts.css"),
        include_str!("../assets/style/service.css"),
        include_str!("../assets/style/wizard.css"),
        include_str!("../assets/style/log.css"),
        include_str!("../assets/style/platform.css"),
    ];
    bare(&layers.concat())
});
/// htmx and its server-sent events, as they were released.
pub(crate) static HTMX: Asset = Asset::script("htmx", || {
    [
        include_str!("../assets/vendor/htmx-2.0.10.min.js"),
        "\n",
        include_str!("../assets/vendor/htmx-sse-2.2.4.min.js"),
    ]
    .concat()
});
/// What every page does by script.
pub(crate) static SCRIPT: Asset = Asset::script("mirage", || {
    [
        include_str!("../assets/script/live.js"),
        include_str!("../assets/script/keys.js"),
        include_str!("../assets/script/wizard.js"),
    ]
    .concat()
});
/// What the page of a log does by script.
pub(crate) static LOG: Asset = Asset::script("log", || include_str!("../assets/script/log.js").to_owned());
/// The sign in the browser's tab.
pub(crate) static ICON: Asset =
    Asset::new("icon", "svg", "image/svg+xml", || include_str!("../assets/icon.svg").to_owned());

/// All of them.
pub(crate) static ALL: [&Asset; 5] = [&STYLE, &HTMX, &SCRIPT, &LOG, &ICON];

/// A file in memory.
pub(crate) struct Asset {
    name: &'static str,
    extension: &'static str,
    kind: &'static str,
    text: LazyLock<String>,
}

impl Asset {
    const fn new(
        name: &'static str,
        extension: &'static str,
        kind: &'static str,
        text: fn() -> String,
    ) -> Self {
        Self { name, extension, kind, text: LazyLock::new(text) }
    }

    const fn script(name: &'static str, text: fn() -> String) -> Self {
        Self::new(name, "js", "text/javascript; charset=utf-8", text)
    }

    /// What is in it.
    pub(crate) fn text(&'static self) -> &'static str {
        &self.text
    }

    /// Where it is, from the root.
    pub(crate) fn path(&'static self) -> String {
        format!("/assets/{}-{:016x}.{}", self.name, hash(self.text()), self.extension)
    }
}

/// `GET /assets/{file}`
pub(crate) async fn serve(At(file): At<String>) -> Result<Response, Fault> {
    let path = format!("/assets/{file}");
    let found = ALL.into_iter().find(|asset| asset.path() == path);
    let asset = found.ok_or_else(|| no_page(&path))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    Ok((headers, asset.text()).into_response())
}

/// FNV-1a: it tells versions of our own files apart, and keeps nobody from anything.
fn hash(text: &str) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, mix)
}

/// Style without comments, indentation and the spaces between its marks, which only those who write it need.
fn bare(style: &str) -> String {
    let mut pieces = style.split("/*");
    let first = pieces.next().unwrap_or_default().to_owned();
    let told = pieces.fold(first, |text, piece| text + piece.split_once("*/").map_or("", |(_, rest)| rest));
    let lines = told.lines().map(str::trim).filter(|line| !line.is_empty());
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    [(" {", "{"), ("{ ", "{"), (" }", "}"), ("; ", ";"), (": ", ":"), (";}", "}")]
        .into_iter()
        .fold(text, |text, (wide, narrow)| text.replace(wide, narrow))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_is_served_without_what_only_its_writers_need() {
        assert_eq!(bare("/* a\n b */\n  a { b: c }\n\n  /* d */ e { } /* f"), "a{b:c}\ne{}\n");
        assert!(!STYLE.text().contains("/*"));
    }
}
