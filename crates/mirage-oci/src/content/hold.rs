//! Content in use by work whose record is not written yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mirage_core::Digest;

use super::store::ContentStore;

/// Keeps content from being collected for as long as it lives.
///
/// Collection goes by reference, and a pull or a push has references only when it is done: hold
/// what it brings from before the first byte until the reference is written.
#[must_use = "content is held only while this lives"]
pub struct Hold {
    holds: Arc<Holds>,
    digests: Vec<Digest>,
}

/// How often each digest is held.
#[derive(Default)]
pub(super) struct Holds(Mutex<HashMap<Digest, usize>>);

impl ContentStore {
    /// Spares this content, blob or layer, present or still to come, from [`Self::collect`].
    pub fn hold(&self, digests: impl IntoIterator<Item = Digest>) -> Hold {
        let digests: Vec<Digest> = digests.into_iter().collect();
        let holds = Arc::clone(&self.inner.holds);
        let mut counts = holds.counts();
        for digest in &digests {
            *counts.entry(digest.clone()).or_default() += 1;
        }
        drop(counts);
        Hold { holds, digests }
    }
}

impl Holds {
    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.counts().contains_key(digest)
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Digest, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut counts = self.holds.counts();
        for digest in &self.digests {
            if let Some(count) = counts.get_mut(digest) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(digest);
                }
            }
        }
    }
}
