//! Who asks for the same thing at the same time asks once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use mirage_core::Digest;
use tokio::sync::Mutex as AsyncMutex;

/// A lock for each digest that somebody is interested in.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<Digest, Weak<AsyncMutex<()>>>>);

impl Turns {
    /// The lock of this digest. Whoever holds it fetches; who comes after looks first whether the
    /// fetched is here now.
    pub(crate) fn of(&self, digest: &Digest) -> Arc<AsyncMutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, lock| lock.strong_count() > 0);
        if let Some(lock) = all.get(digest).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::default();
        all.insert(digest.clone(), Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_shared_while_somebody_has_it_and_forgotten_after() {
        let (turns, digest) = (Turns::default(), Digest::sha256([7; 32]));
        let first = turns.of(&digest);
        assert!(Arc::ptr_eq(&first, &turns.of(&digest)));
        drop(first);
        turns.of(&Digest::sha256([8; 32]));
        assert_eq!(turns.0.lock().unwrap().len(), 1);
    }
}
