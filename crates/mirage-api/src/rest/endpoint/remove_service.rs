//! `DELETE /api/services/{service}`

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mirage_control::Control;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::Wanted;
use crate::rest::wire::service::Service;

/// Remove a service
///
/// It gets no more requests, then its instances end, then it is gone; its events stay.
#[utoipa::path(
    delete,
    path = "/api/services/{service}",
    tag = "services",
    operation_id = "removeService",
    params(("service" = String, Path, description = "Id, name, or project/environment/name")),
    responses(
        (status = 202, description = "On its way out", body = Service),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn remove_service(
    State(control): State<Control>,
    Caller(actor): Caller,
    Wanted(wanted): Wanted,
) -> Result<(StatusCode, Json<Service>), Problem> {
    let service = control.remove(&actor, &wanted).await?;
    Ok((StatusCode::ACCEPTED, Json(service.into())))
}
