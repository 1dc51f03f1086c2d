//! Files that pages need, from memory. Their address has a hash of what is in them, so a browser keeps them for good.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

use crate::fault::{Fault, no_page};
use crate::page::At;

/// The look of all pages.
pub(crate) static STYLE: Asset = Asset {
    name: "style",
    extension: "css",
    kind: "text/css; charset=utf-8",
    bytes: include_bytes!("../assets/style.css"),
};
/// The sign in the browser's tab.
pub(crate) static ICON: Asset = Asset {
    name: "icon",
    extension: "svg",
    kind: "image/svg+xml",
    bytes: include_bytes!("../assets/icon.svg"),
};

static ALL: LazyLock<Vec<(String, &'static Asset)>> =
    LazyLock::new(|| [&STYLE, &ICON].map(|asset| (asset.file(), asset)).into());

/// A file in memory.
pub(crate) struct Asset {
    name: &'static str,
    extension: &'static str,
    kind: &'static str,
    pub(crate) bytes: &'static [u8],
}

impl Asset {
    /// Where it is, from the root.
    pub(crate) fn path(&self) -> String {
        format!("/assets/{}", self.file())
    }

    fn file(&self) -> String {
        format!("{}-{:016x}.{}", self.name, hash(self.bytes), self.extension)
    }
}

/// `GET /assets/{file}`
pub(crate) async fn serve(At(file): At<String>) -> Result<Response, Fault> {
    let found = ALL.iter().find(|(name, _)| *name == file);
    let (_, asset) = found.ok_or_else(|| no_page(&format!("/assets/{file}")))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    Ok((headers, asset.bytes).into_response())
}

/// FNV-1a: it tells versions of our own files apart, and keeps nobody from anything.
fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
