//! `GET /api/deployments/{deployment}`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::WantedDeployment;
use crate::rest::wire::deployment::DeploymentDetail;

/// Show a deployment
///
/// Its steps with their durations, the old and the new digest, how far its pull is, and where it
/// failed, why, with the last lines of the log.
#[utoipa::path(
    get,
    path = "/api/deployments/{deployment}",
    tag = "deployments",
    operation_id = "getDeployment",
    params(("deployment" = String, Path, description = "Id of the deployment")),
    responses(
        (status = 200, description = "The deployment", body = DeploymentDetail),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn get_deployment(
    State(control): State<Control>,
    Caller(actor): Caller,
    WantedDeployment(id): WantedDeployment,
) -> Result<Json<DeploymentDetail>, Problem> {
    Ok(Json(control.deployment(&actor, id).await?.into()))
}
