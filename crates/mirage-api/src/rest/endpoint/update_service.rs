//! `PATCH /api/services/{service}`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;

use super::changing;
use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::{Body, Wanted};
use crate::rest::wire::change::ServiceChange;
use crate::rest::wire::service::Service;

/// Change a service
///
/// Settings take effect with the next deployment, `replicas` at once.
#[utoipa::path(
    patch,
    path = "/api/services/{service}",
    tag = "services",
    operation_id = "updateService",
    params(("service" = String, Path, description = "Id, name, or project/environment/name")),
    request_body = ServiceChange,
    responses(
        (status = 200, description = "The service as it is now", body = Service),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn update_service(
    State(control): State<Control>,
    Caller(actor): Caller,
    Wanted(wanted): Wanted,
    Body(change): Body<ServiceChange>,
) -> Result<Json<Service>, Problem> {
    let now = || control.service(&actor, &wanted);
    let update = |patch| control.update(&actor, &wanted, patch);
    Ok(Json(changing(change, now, update).await?.into()))
}
