//! Files that pages need, from memory. Their address has a hash of what is in them, so a browser keeps them for good.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

use crate::fault::{Fault, no_page};
use crate::page::At;

/// The look of all pages: its layers one after the other.
pub(crate) static STYLE: Asset = Asset::new("style", "css", "text/css; charset=utf-8", || {
    [
        include_str!("../assets/style/tokens.css"),
        include_str!("../assets/style/base.css"),
        include_str!("../assets/style/shell.css"),
        include_str!("../assets/style/parts.css"),
        include_str!("../assets/style/service.css"),
        include_str!("../assets/style/wizard.css"),
        include_str!("../assets/style/log.css"),
        include_str!("../assets/style/platform.css"),
    ]
    .map(lean)
    .concat()
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

/// A style sheet without what is in it for people: comments and most of the space. No text in ours has any of it.
fn lean(sheet: &str) -> String {
    let mut bare = String::with_capacity(sheet.len());
    let mut rest = sheet;
    while let Some((before, after)) = rest.split_once("/*") {
        bare.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    bare.push_str(rest);
    let lines: Vec<&str> = bare.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let lean = lines.join("\n").replace(" { ", "{").replace(" {", "{").replace(" }", "}");
    lean.replace("; ", ";").replace(": ", ":").replace(";}", "}") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_style_sheet_says_the_same_with_fewer_bytes() {
        let sheet = "/* Two\n   lines. */\n@layer x {\n  .a :is(b, c)::after { content: \"/\"; gap: 4px 8px; }\n\n  @media (width: 1px) {\n    .b { top: 0; }\n  }\n}\n";
        assert_eq!(
            lean(sheet),
            "@layer x{\n.a :is(b, c)::after{content:\"/\";gap:4px 8px}\n@media (width:1px){\n.b{top:0}\n}\n}\n"
        );
    }
}
