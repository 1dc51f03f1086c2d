//! `POST /api/services/{service}/deploy`

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::{StatusCode, header};
use mirage_control::Control;

use super::changing;
use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::{Body, Wanted};
use crate::rest::wire::change::ServiceChange;
use crate::rest::wire::deployment::Deployment;

/// Deploy a service
///
/// Changes the settings in the body, if any, resolves the image again, and begins to make the result
/// live as a new revision. What serves now serves until the new instances are healthy.
#[utoipa::path(
    post,
    path = "/api/services/{service}/deploy",
    tag = "services",
    operation_id = "deployService",
    params(("service" = String, Path, description = "Id, name, or project/environment/name")),
    request_body(content = ServiceChange, description = "May be empty"),
    responses(
        (status = 202, description = "Begun", body = Deployment),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn deploy(
    State(control): State<Control>,
    Caller(actor): Caller,
    Wanted(wanted): Wanted,
    Body(change): Body<ServiceChange>,
) -> Result<impl IntoResponse, Problem> {
    let now = || control.service(&actor, &wanted);
    let deploy = |patch| control.deploy(&actor, &wanted, patch);
    Ok(begun(&changing(change, now, deploy).await?))
}

/// The answer to everything that begins a deployment.
pub(super) fn begun(deployment: &mirage_core::Deployment) -> impl IntoResponse + use<> {
    let location = [(header::LOCATION, format!("/api/deployments/{}", deployment.id))];
    (StatusCode::ACCEPTED, location, Json(Deployment::from(deployment)))
}
