//! `GET` and `PATCH /api/projects/{project}/environments/{environment}/variables`

use axum::Json;
use axum::extract::{Path, State};
use mirage_control::Control;
use mirage_core::{Name, Result};

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::Body;
use crate::rest::wire::variable::{SharedVariables, VariableChanges, inputs};

/// List shared variables
///
/// Those that the services of an environment share. `DOCKER_USERNAME` with `DOCKER_PASSWORD`,
/// `GITHUB_TOKEN` and `GITLAB_TOKEN` are the logins of their registries where no credential is set.
#[utoipa::path(
    get,
    path = "/api/projects/{project}/environments/{environment}/variables",
    tag = "variables",
    operation_id = "listSharedVariables",
    params(
        ("project" = String, Path, description = "Name of the project"),
        ("environment" = String, Path, description = "Name of the environment")
    ),
    responses(
        (status = 200, description = "The variables", body = SharedVariables),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn list_shared_variables(
    State(control): State<Control>,
    Caller(actor): Caller,
    Path(place): Path<(String, String)>,
) -> Result<Json<SharedVariables>, Problem> {
    let (project, environment) = names(&place)?;
    Ok(Json(control.shared_variables(&actor, Some(project), Some(environment)).await?.into()))
}

/// Change shared variables
///
/// Project and environment are made if they are not there.
#[utoipa::path(
    patch,
    path = "/api/projects/{project}/environments/{environment}/variables",
    tag = "variables",
    operation_id = "changeSharedVariables",
    params(
        ("project" = String, Path, description = "Name of the project"),
        ("environment" = String, Path, description = "Name of the environment")
    ),
    request_body = VariableChanges,
    responses(
        (status = 200, description = "The variables as they are now", body = SharedVariables),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn change_shared_variables(
    State(control): State<Control>,
    Caller(actor): Caller,
    Path(place): Path<(String, String)>,
    Body(changes): Body<VariableChanges>,
) -> Result<Json<SharedVariables>, Problem> {
    let (project, environment) = names(&place)?;
    let changes = inputs("variables", changes.variables, changes.sealed_variables)?;
    let now = control.change_shared_variables(&actor, Some(project), Some(environment), changes).await?;
    Ok(Json(now.into()))
}

fn names((project, environment): &(String, String)) -> Result<(Name, Name)> {
    Ok((project.parse()?, environment.parse()?))
}
