//! `POST /api/services/{service}/rollback`

use axum::extract::State;
use axum::response::IntoResponse;
use mirage_control::Control;
use mirage_core::{Code, DeploymentId, Error};
use serde::Deserialize;
use utoipa::ToSchema;

use super::deploy::begun;
use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::{Body, Wanted};
use crate::rest::wire::credential::{RegistryCredentials, credential_change};
use crate::rest::wire::deployment::Deployment;

/// Where to go back to: a revision, what an earlier deployment ran, or by default the older revision that was active
/// last.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RollBack {
    /// Number of the revision.
    revision: Option<u32>,
    /// The deployment whose revision is meant.
    deployment_id: Option<String>,
    /// Another login at the registry of that revision's image. It was made with one user's, and runs with no
    /// other's.
    registry_credentials: Option<RegistryCredentials>,
}

/// Roll a service back
///
/// Makes an older revision live again, by the same bytes: where they are still here, no registry is asked. Its image is
/// the one that is set from then on, so that a deploy of other settings stays on it; everything else stays as it is set.
#[utoipa::path(
    post,
    path = "/api/services/{service}/rollback",
    tag = "services",
    operation_id = "rollBackService",
    params(("service" = String, Path, description = "Id, name, or project/environment/name")),
    request_body(content = RollBack, description = "May be empty"),
    responses(
        (status = 202, description = "Begun", body = Deployment),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn rollback(
    State(control): State<Control>,
    Caller(actor): Caller,
    Wanted(wanted): Wanted,
    Body(to): Body<RollBack>,
) -> Result<impl IntoResponse, Problem> {
    let deployment = match (to.revision, to.deployment_id) {
        (Some(_), Some(_)) => {
            let error = Error::new(Code::InvalidRequest, "`revision` and `deploymentId` exclude each other");
            return Err(error.field("deploymentId").hint("send one of them, or neither").into());
        }
        (None, Some(id)) => {
            let id: DeploymentId = id.parse().map_err(|error: Error| error.field("deploymentId"))?;
            control.rollback_to(&actor, &wanted, id, credential_change(to.registry_credentials)).await?
        }
        (revision, None) => {
            control.rollback(&actor, &wanted, revision, credential_change(to.registry_credentials)).await?
        }
    };
    Ok(begun(&deployment))
}
