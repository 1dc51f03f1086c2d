//! Tokens of projects: what whoever shows one may do.

use jiff::Timestamp;

use crate::id::{ProjectId, TokenId};
use crate::image::reference::Repository;
use crate::name::Name;

/// What a token of a project allows, without the token: of that only a hash is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Identity.
    pub id: TokenId,
    /// What it is for, unique in its project; events carry it.
    pub name: Name,
    /// The project.
    pub project: ProjectId,
    /// Its name, which is the first part of its repositories.
    pub project_name: Name,
    /// Whether images may be pushed and removed, besides pulled.
    pub push: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Grant {
    /// Whether a repository of the built-in registry is the project's: `shop/web` is that of `shop`.
    pub fn owns(&self, repository: &Repository) -> bool {
        let first = repository.as_str().split_once('/').map(|(first, _)| first);
        // A project may be called `localhost`, and what is below that is another registry's.
        first == Some(self.project_name.as_str()) && repository.elsewhere().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_the_repositories_below_its_name() {
        let grant = Grant {
            id: TokenId::from_random([1; 16]),
            name: "ci".parse().unwrap(),
            project: ProjectId::from_random([2; 16]),
            project_name: "shop".parse().unwrap(),
            push: true,
            created_at: Timestamp::UNIX_EPOCH,
        };
        for (repository, owned) in [
            ("shop/web", true),
            ("shop/web/api", true),
            ("shop", false),
            ("shopping/web", false),
            ("web/shop", false),
        ] {
            assert_eq!(grant.owns(&repository.parse().unwrap()), owned, "{repository}");
        }
        let local = Grant { project_name: "localhost".parse().unwrap(), ..grant };
        assert!(!local.owns(&"localhost/web".parse().unwrap()), "that is read through from another registry");
    }
}
