//! `GET /api/tokens`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;
use mirage_core::Name;
use serde::Serialize;
use utoipa::ToSchema;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::Filter;
use crate::rest::part::Part;
use crate::rest::wire::token::ProjectAccess;

/// A page of what tokens of projects allow.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Accesses {
    /// By project and name.
    tokens: Vec<ProjectAccess>,
    /// The `after` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// List tokens
#[utoipa::path(
    get,
    path = "/api/tokens",
    tag = "tokens",
    operation_id = "listTokens",
    params(Part),
    responses(
        (status = 200, description = "What they allow, without the tokens themselves", body = Accesses),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn list_tokens(
    State(control): State<Control>,
    Caller(actor): Caller,
    Filter(part): Filter<Part>,
) -> Result<Json<Accesses>, Problem> {
    let after = part.after("tokens", place)?;
    let page = control.tokens(&actor, after.as_ref(), part.limit()?).await?;
    let last = page.items.last().filter(|_| page.more);
    let next = last.map(|last| format!("{}/{}", last.project_name, last.name));
    Ok(Json(Accesses { tokens: page.items.into_iter().map(ProjectAccess::from).collect(), next }))
}

fn place(text: &str) -> Option<(Name, Name)> {
    let (project, name) = text.split_once('/')?;
    Some((project.parse().ok()?, name.parse().ok()?))
}
