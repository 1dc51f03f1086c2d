//! What pushes that never finished left behind.

use std::time::Duration;

use jiff::Timestamp;
use mirage_core::{Digest, Result};

use super::Repositories;
use super::manifest::{Manifest, Needs};
use crate::client::MAX_MANIFEST_BYTES;
use crate::content::ContentStore;

/// How long a blob may wait for the manifest that names it. A slow push takes hours.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// Takes blobs from repositories that no manifest there came to name, and answers with their number. Their
/// bytes go when images are collected the next time. Blocks.
///
/// # Errors
/// Where the disk cannot be read; what was removed by then stays removed.
pub fn drop_leftovers(store: &ContentStore, repositories: &Repositories, now: Timestamp) -> Result<u64> {
    repositories.drop_unnamed_blobs(now, PATIENCE, |repository, manifest| {
        let kind = repositories.media_type(repository, manifest).ok()??;
        blobs_of(store, manifest, &kind)
    })
}

/// The blobs that a manifest names; `None` where it cannot be read.
fn blobs_of(store: &ContentStore, manifest: &Digest, kind: &str) -> Option<Vec<Digest>> {
    let bytes = store.blob(manifest, MAX_MANIFEST_BYTES).ok()??;
    match Manifest::read(&bytes, Some(kind)).ok()?.needs {
        Needs::Blobs(blobs) => Some(blobs.into_iter().map(|blob| blob.digest).collect()),
        Needs::Manifests(_) => Some(Vec::new()),
    }
}
