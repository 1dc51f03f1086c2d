//! Ownership: a project holds environments, an environment holds services.

use jiff::Timestamp;

use crate::id::{EnvironmentId, ProjectId};
use crate::name::Name;

/// A set of environments that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Identity.
    pub id: ProjectId,
    /// Unique on the platform.
    pub name: Name,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A place for services that can reach each other by name, and nobody else's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// Identity.
    pub id: EnvironmentId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// Unique in its project.
    pub name: Name,
    /// Number of the environment's network on this machine, unique on the platform, from 0.
    pub network: u16,
    /// When it was made.
    pub created_at: Timestamp,
}
