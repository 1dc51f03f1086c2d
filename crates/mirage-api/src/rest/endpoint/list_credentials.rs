//! `GET /api/credentials`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;
use serde::Serialize;
use utoipa::ToSchema;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::wire::credential::Credential;

/// Every credential there is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Credentials {
    /// By registry, then repository.
    credentials: Vec<Credential>,
}

/// List credentials
#[utoipa::path(
    get,
    path = "/api/credentials",
    tag = "credentials",
    operation_id = "listCredentials",
    responses(
        (status = 200, description = "The credentials, without their passwords", body = Credentials),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn list_credentials(
    State(control): State<Control>,
    Caller(actor): Caller,
) -> Result<Json<Credentials>, Problem> {
    let all = control.credentials(&actor).await?;
    Ok(Json(Credentials { credentials: all.into_iter().map(Credential::from).collect() }))
}
