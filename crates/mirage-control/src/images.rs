//! Which images stay on this machine.

use std::collections::HashSet;

use mirage_core::{Digest, Result};

use crate::parts::Parts;

/// Revisions of each service whose images stay, so that a rollback needs no registry.
pub(crate) const KEPT_REVISIONS: u32 = 10;

/// Removes images that no kept revision needs; answers with the bytes freed, or with nothing where an
/// image is being brought or started just now.
pub(crate) async fn collect(parts: &Parts) -> Result<Option<u64>> {
    // Nobody may bring or start an image between the look at the database and the removal. But nobody
    // waits for it either: whoever waited for a slow pull would have every later start wait behind it.
    let Ok(_alone) = parts.images_in_motion.try_write() else { return Ok(None) };
    parts.images.collect(&kept(parts).await?).await.map(Some)
}

/// The manifests and indexes of every kept revision.
pub(crate) async fn kept(parts: &Parts) -> Result<HashSet<Digest>> {
    let revisions = parts.store.kept_revisions(KEPT_REVISIONS).await?;
    Ok(revisions.into_iter().flat_map(|revision| [revision.image.manifest, revision.image.digest]).collect())
}
