//! `POST /api/services/{service}/restart`

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mirage_control::Control;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::Wanted;
use crate::rest::wire::service::Service;

/// Restart a service
///
/// Replaces every instance by a new one of the same deployment, the new one first.
#[utoipa::path(
    post,
    path = "/api/services/{service}/restart",
    tag = "services",
    operation_id = "restartService",
    params(("service" = String, Path, description = "Id, name, or project/environment/name")),
    responses(
        (status = 202, description = "Begun", body = Service),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn restart(
    State(control): State<Control>,
    Caller(actor): Caller,
    Wanted(wanted): Wanted,
) -> Result<(StatusCode, Json<Service>), Problem> {
    let service = control.restart(&actor, &wanted).await?;
    Ok((StatusCode::ACCEPTED, Json(service.into())))
}
