//! `POST /api/services/{service}/redeploy`

use axum::extract::State;
use axum::response::IntoResponse;
use mirage_control::Control;

use super::deploy::begun;
use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::Wanted;
use crate::rest::wire::deployment::Deployment;

/// Redeploy a service
///
/// Makes the same revision live again: the same digest, the same settings. Asks no registry.
#[utoipa::path(
    post,
    path = "/api/services/{service}/redeploy",
    tag = "services",
    operation_id = "redeployService",
    params(("service" = String, Path, description = "Id, name, or project/environment/name")),
    responses(
        (status = 202, description = "Begun", body = Deployment),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn redeploy(
    State(control): State<Control>,
    Caller(actor): Caller,
    Wanted(wanted): Wanted,
) -> Result<impl IntoResponse, Problem> {
    Ok(begun(&control.redeploy(&actor, &wanted).await?))
}
