//! Tokens of projects.

use jiff::Timestamp;
use mirage_core::Grant;
use serde::Serialize;
use utoipa::ToSchema;

/// What a token of a project allows. The token itself is shown once, when it is made.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProjectAccess {
    /// Identity.
    id: String,
    /// What it is for, unique in its project.
    #[schema(example = "ci")]
    name: String,
    /// The project, whose repositories are below its name.
    project: String,
    /// Whether images may be pushed and removed, besides pulled.
    push: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<Grant> for ProjectAccess {
    fn from(grant: Grant) -> Self {
        Self {
            id: grant.id.to_string(),
            name: grant.name.to_string(),
            project: grant.project_name.to_string(),
            push: grant.push,
            created_at: grant.created_at,
        }
    }
}
