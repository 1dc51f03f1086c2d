//! Files that pages need, from memory. Their address has a hash of what is in them, so a browser keeps them for good.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

use crate::fault::{Fault, no_page};
use crate::page::At;

/// The look of all pages.
pub(crate) static STYLE: Asset =
    Asset::new("style", "css", "text/css; charset=utf-8", include_bytes!("../assets/style.css"));
/// The sign in the browser's tab.
pub(crate) static ICON: Asset =
    Asset::new("icon", "svg", "image/svg+xml", include_bytes!("../assets/icon.svg"));

/// A file in memory.
pub(crate) struct Asset {
    name: &'static str,
    extension: &'static str,
    kind: &'static str,
    pub(crate) bytes: &'static [u8],
    hash: u64,
}

impl Asset {
    const fn new(
        name: &'static str,
        extension: &'static str,
        kind: &'static str,
        bytes: &'static [u8],
    ) -> Self {
        Self { name, extension, kind, bytes, hash: hash(bytes) }
    }

    /// Where it is, from the root.
    pub(crate) fn path(&self) -> String {
        format!("/assets/{}-{:016x}.{}", self.name, self.hash, self.extension)
    }
}

/// `GET /assets/{file}`
pub(crate) async fn serve(At(file): At<String>) -> Result<Response, Fault> {
    let path = format!("/assets/{file}");
    let found = [&STYLE, &ICON].into_iter().find(|asset| asset.path() == path);
    let asset = found.ok_or_else(|| no_page(&path))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    Ok((headers, asset.bytes).into_response())
}

/// FNV-1a: it tells versions of our own files apart, and keeps nobody from anything.
const fn hash(bytes: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}
