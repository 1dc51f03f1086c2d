//! `GET /api/services/{service}`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::Wanted;
use crate::rest::wire::service::Service;

/// Show a service
#[utoipa::path(
    get,
    path = "/api/services/{service}",
    tag = "services",
    operation_id = "getService",
    params(("service" = String, Path, description = "Id, name, or project/environment/name")),
    responses(
        (status = 200, description = "The service and how it is", body = Service),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn get_service(
    State(control): State<Control>,
    Caller(actor): Caller,
    Wanted(wanted): Wanted,
) -> Result<Json<Service>, Problem> {
    Ok(Json(control.service(&actor, &wanted).await?.into()))
}
