//! `DELETE /api/tokens/{token}`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::WantedToken;
use crate::rest::wire::token::ProjectAccess;

/// Remove a token
///
/// From then on it opens nothing.
#[utoipa::path(
    delete,
    path = "/api/tokens/{token}",
    tag = "tokens",
    operation_id = "removeToken",
    params(("token" = String, Path, description = "Id of the token, not the token itself")),
    responses(
        (status = 200, description = "What was removed", body = ProjectAccess),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn remove_token(
    State(control): State<Control>,
    Caller(actor): Caller,
    WantedToken(id): WantedToken,
) -> Result<Json<ProjectAccess>, Problem> {
    Ok(Json(control.remove_token(&actor, id).await?.into()))
}
