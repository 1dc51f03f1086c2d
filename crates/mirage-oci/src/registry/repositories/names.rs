//! The names of all repositories, in memory: finding them on the disk means reading every folder.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};

use mirage_core::{Repository, Result};

/// The names, once somebody asked for them. Whoever writes a file tells it afterwards, so that a look at the disk that
/// goes on meanwhile either sees the file or is corrected.
#[derive(Default)]
pub(super) struct Names(Mutex<Option<BTreeSet<Repository>>>);

impl Names {
    /// The names that follow `after`, at most `limit`; `read` reads them all from the disk, the first time.
    pub(super) fn after(
        &self,
        after: Option<&Repository>,
        limit: usize,
        read: impl FnOnce() -> Result<Vec<Repository>>,
    ) -> Result<Vec<Repository>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let names = match known.as_ref() {
            Some(names) => names,
            None => known.insert(read()?.into_iter().collect()),
        };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(names.range::<Repository, _>((start, Bound::Unbounded)).take(limit).cloned().collect())
    }

    /// A repository has a manifest.
    pub(super) fn add(&self, repository: &Repository) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(names) = known.as_mut().filter(|names| !names.contains(repository)) {
            names.insert(repository.clone());
        }
    }

    /// A repository has one manifest less; `has_others` says whether there are more.
    pub(super) fn check(
        &self,
        repository: &Repository,
        has_others: impl FnOnce() -> Result<bool>,
    ) -> Result<()> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(names) = known.as_mut() else { return Ok(()) };
        if !has_others()? {
            names.remove(repository);
        }
        Ok(())
    }
}
