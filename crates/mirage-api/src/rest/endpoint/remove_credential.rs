//! `DELETE /api/credentials/{credential}`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::WantedCredential;
use crate::rest::wire::credential::Credential;

/// Remove a credential
///
/// What runs goes on; what has to be pulled later is pulled without it.
#[utoipa::path(
    delete,
    path = "/api/credentials/{credential}",
    tag = "credentials",
    operation_id = "removeCredential",
    params(("credential" = String, Path, description = "Id of the credential")),
    responses(
        (status = 200, description = "What was removed", body = Credential),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn remove_credential(
    State(control): State<Control>,
    Caller(actor): Caller,
    WantedCredential(id): WantedCredential,
) -> Result<Json<Credential>, Problem> {
    Ok(Json(control.remove_credential(&actor, id).await?.into()))
}
