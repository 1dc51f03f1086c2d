//! What was read a moment ago: a deploy reads the manifest twice, first to look and then to pull.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use mirage_core::{Digest, Reference};

const MAX_BYTES: usize = 4 << 20;
const MAX_ENTRIES: usize = 256;

/// A small memory of manifests and configurations by digest, and of what tags pointed to last.
#[derive(Default)]
pub(crate) struct Recent {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    documents: HashMap<Digest, Bytes>,
    order: VecDeque<Digest>,
    bytes: usize,
    tags: HashMap<Reference, Digest>,
}

impl Recent {
    /// The bytes with this digest, if they are remembered.
    pub(crate) fn document(&self, digest: &Digest) -> Option<Bytes> {
        self.lock().documents.get(digest).cloned()
    }

    /// Remembers bytes whose digest has been verified.
    pub(crate) fn keep(&self, digest: &Digest, bytes: &Bytes) {
        let mut inner = self.lock();
        if bytes.len() > MAX_BYTES / 4 || inner.documents.contains_key(digest) {
            return;
        }
        inner.bytes += bytes.len();
        inner.documents.insert(digest.clone(), bytes.clone());
        inner.order.push_back(digest.clone());
        while inner.bytes > MAX_BYTES || inner.order.len() > MAX_ENTRIES {
            let Some(oldest) = inner.order.pop_front() else { break };
            if let Some(gone) = inner.documents.remove(&oldest) {
                inner.bytes -= gone.len();
            }
        }
    }

    /// What the tag of this reference pointed to when it was last looked up.
    pub(crate) fn tag(&self, reference: &Reference) -> Option<Digest> {
        self.lock().tags.get(reference).cloned()
    }

    /// Remembers what a tag points to.
    pub(crate) fn keep_tag(&self, reference: &Reference, digest: &Digest) {
        let mut inner = self.lock();
        if inner.tags.len() >= MAX_ENTRIES {
            inner.tags.clear();
        }
        inner.tags.insert(reference.clone(), digest.clone());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first_and_memory_stays_small() {
        let recent = Recent::default();
        let digest = |number: u16| {
            let mut bytes = [0; 32];
            bytes[..2].copy_from_slice(&number.to_be_bytes());
            Digest::sha256(bytes)
        };
        for number in 0..300 {
            recent.keep(&digest(number), &Bytes::from(vec![0; 32 << 10]));
        }
        assert!(recent.document(&digest(299)).is_some());
        assert!(recent.document(&digest(0)).is_none());
        assert!(recent.lock().bytes <= MAX_BYTES);
        recent.keep(&digest(1000), &Bytes::from(vec![0; MAX_BYTES]));
        assert!(recent.document(&digest(1000)).is_none(), "one document does not displace all others");
    }
}
