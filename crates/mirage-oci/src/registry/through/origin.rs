//! How repositories of other registries are called here.

use mirage_core::{Digest, Reference, RegistryHost, Repository, Tag};

/// A repository of another registry, under its name here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    here: Repository,
    host: RegistryHost,
    there: Repository,
}

impl Origin {
    /// Reads a repository that is another registry's by its first part.
    pub(crate) fn of(here: &Repository) -> Option<Self> {
        let (host, there) = here.elsewhere()?;
        Some(Self { here: here.clone(), host, there })
    }

    /// What the repository is called here.
    pub(crate) fn here(&self) -> &Repository {
        &self.here
    }

    /// The other registry.
    pub(crate) fn host(&self) -> &RegistryHost {
        &self.host
    }

    /// An image there by its tag.
    pub(crate) fn tagged(&self, tag: &Tag) -> Reference {
        Reference::new(self.host.clone(), self.there.clone(), Some(tag.clone()), None)
    }

    /// Something there by its digest.
    pub(crate) fn pinned(&self, digest: &Digest) -> Reference {
        Reference::new(self.host.clone(), self.there.clone(), None, Some(digest.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_part_that_can_only_be_a_machine_is_a_registry() {
        for (here, host, there) in [
            ("docker.io/library/nginx", "docker.io", "library/nginx"),
            ("docker.io/nginx", "docker.io", "library/nginx"),
            ("ghcr.io/acme/web", "ghcr.io", "acme/web"),
            ("localhost/web", "localhost", "web"),
            ("localhost_5000/web", "localhost:5000", "web"),
            ("127.0.0.1_5000/acme/web", "127.0.0.1:5000", "acme/web"),
        ] {
            let origin = Origin::of(&here.parse().unwrap()).unwrap();
            assert_eq!((origin.host().as_str(), origin.there.as_str()), (host, there));
        }
        for here in [
            "web",
            "acme/web",
            "acme_5000/web",
            "docker.io",
            "acme/docker.io/web",
            "my.team_v2/web",
            "a.b_0/c",
        ] {
            assert_eq!(Origin::of(&here.parse().unwrap()), None, "{here}");
        }
    }
}
