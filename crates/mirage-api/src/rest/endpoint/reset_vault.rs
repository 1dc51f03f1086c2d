//! `POST /api/vault/reset`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;
use serde::Serialize;
use utoipa::ToSchema;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;

/// What was given up.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GivenUp {
    /// Credentials.
    credentials: u64,
    /// Sealed variables of services and environments.
    variables: u64,
    /// Keys of certificates, and accounts at certificate authorities.
    certificates: u64,
}

/// Begin anew without the vault's key
///
/// For a key that is lost for good: removes every credential, every sealed variable and the keys of certificates,
/// which are asked for again where they came from an authority. Refused while the vault is open.
#[utoipa::path(
    post,
    path = "/api/vault/reset",
    tag = "platform",
    operation_id = "resetVault",
    responses(
        (status = 200, description = "Done", body = GivenUp),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn reset_vault(
    State(control): State<Control>,
    Caller(actor): Caller,
) -> Result<Json<GivenUp>, Problem> {
    let given_up = control.reset_vault(&actor).await?;
    let mirage_control::GivenUp { credentials, variables, certificates } = given_up;
    Ok(Json(GivenUp { credentials, variables, certificates }))
}
