//! `GET /api/tokens`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;
use serde::Serialize;
use utoipa::ToSchema;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::wire::token::ProjectAccess;

/// What every token of a project allows.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Accesses {
    /// By project and name.
    tokens: Vec<ProjectAccess>,
}

/// List tokens
#[utoipa::path(
    get,
    path = "/api/tokens",
    tag = "tokens",
    operation_id = "listTokens",
    responses(
        (status = 200, description = "What they allow, without the tokens themselves", body = Accesses),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn list_tokens(
    State(control): State<Control>,
    Caller(actor): Caller,
) -> Result<Json<Accesses>, Problem> {
    let all = control.tokens(&actor).await?;
    Ok(Json(Accesses { tokens: all.into_iter().map(ProjectAccess::from).collect() }))
}
