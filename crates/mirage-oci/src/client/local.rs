//! The registry Mirage itself is, seen from the client.

use std::collections::HashSet;

use mirage_core::{Digest, Reference, RegistryHost, Result};

use crate::registry::Repositories;

/// The built-in registry: its images are read from the store, not over HTTP.
#[derive(Clone)]
pub struct OwnRegistry {
    /// The names under which it is reached, such as `127.0.0.1:7070` and `localhost:7070`.
    pub hosts: HashSet<RegistryHost>,
    /// What it holds.
    pub repositories: Repositories,
}

impl OwnRegistry {
    /// The manifest or index that a reference on this registry means. Reads a file.
    pub(crate) fn resolve(&self, reference: &Reference) -> Result<Option<Digest>> {
        let repository = reference.repository();
        match (reference.digest(), reference.tag()) {
            (Some(digest), _) => {
                let held = self.repositories.media_type(repository, digest)?;
                Ok(held.map(|_| digest.clone()))
            }
            (None, Some(tag)) => self.repositories.resolve(repository, tag),
            (None, None) => Ok(None),
        }
    }
}
