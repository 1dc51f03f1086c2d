//! `POST /api/deployments/{deployment}/cancel`

use axum::extract::State;
use axum::response::IntoResponse;
use mirage_control::Control;

use super::deploy::begun;
use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::WantedDeployment;
use crate::rest::wire::deployment::Deployment;

/// Cancel a deployment
///
/// Only one that is on its way. What serves goes on serving, and nothing of the cancelled one is left when this
/// answers; where its processes take more than half a minute longer than their grace, or a minute and a half in all, `phase` is
/// still the one it was in; it becomes `cancelled` by itself.
#[utoipa::path(
    post,
    path = "/api/deployments/{deployment}/cancel",
    tag = "deployments",
    operation_id = "cancelDeployment",
    params(("deployment" = String, Path, description = "Id of the deployment")),
    responses(
        (status = 202, description = "It is cancelled", body = Deployment),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn cancel_deployment(
    State(control): State<Control>,
    Caller(actor): Caller,
    WantedDeployment(id): WantedDeployment,
) -> Result<impl IntoResponse, Problem> {
    Ok(begun(&control.cancel(&actor, id).await?))
}
