//! Who may do what in the built-in registry.

use async_trait::async_trait;
use http::HeaderMap;
use mirage_core::Repository;

/// Decides about every request to the registry, before anything of it is looked up.
///
/// The registry itself knows no users: whoever joins the parts passes the product's one
/// authorization function in here. It must deny what it does not know.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Judges by the request's headers (Basic or Bearer) and by what the request wants.
    async fn decide(&self, headers: &HeaderMap, access: &Access) -> Decision;
}

/// What a request wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// To know that a registry is here: `GET /v2/`.
    Base,
    /// To read the names of all repositories: `GET /v2/_catalog`.
    Catalog,
    /// Something of one repository.
    Repository(Repository, Action),
}

/// What is done to a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Reading.
    Pull,
    /// Adding and overwriting.
    Push,
    /// Removing.
    Delete,
}

/// What the gate answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Allow,
    /// Nobody is known by these headers: 401, with the challenge that makes clients send a password.
    Unauthenticated,
    /// Known, but not allowed: 403.
    Denied,
}
