//! `POST /api/vault/rotate`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;
use serde::Serialize;
use utoipa::ToSchema;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;

/// What came of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rotated {
    /// How many secrets were sealed anew.
    records: usize,
}

/// Rotate the key of the vault
///
/// Seals every password and every sealed variable anew, under a key that is drawn for it.
#[utoipa::path(
    post,
    path = "/api/vault/rotate",
    tag = "platform",
    operation_id = "rotateVault",
    responses(
        (status = 200, description = "Done", body = Rotated),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn rotate_vault(
    State(control): State<Control>,
    Caller(actor): Caller,
) -> Result<Json<Rotated>, Problem> {
    Ok(Json(Rotated { records: control.rotate_vault(&actor).await? }))
}
