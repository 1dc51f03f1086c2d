//! `GET /api/tokens`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;
use mirage_core::{Code, Error, Name, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::{Filter, limit};
use crate::rest::wire::token::ProjectAccess;

/// Which part of the list.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// At most so many; 100 by default, 500 at most.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
    /// Go on after a page: its `next`.
    after: Option<String>,
}

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
    params(Which),
    responses(
        (status = 200, description = "What they allow, without the tokens themselves", body = Accesses),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn list_tokens(
    State(control): State<Control>,
    Caller(actor): Caller,
    Filter(which): Filter<Which>,
) -> Result<Json<Accesses>, Problem> {
    let after = which.after.map(|text| place(&text)).transpose()?;
    let page = control.tokens(&actor, after.as_ref(), limit(which.limit.as_deref(), 100, 500)?).await?;
    let last = page.items.last().filter(|_| page.more);
    let next = last.map(|last| format!("{}/{}", last.project_name, last.name));
    Ok(Json(Accesses { tokens: page.items.into_iter().map(ProjectAccess::from).collect(), next }))
}

fn place(text: &str) -> Result<(Name, Name)> {
    let parts = text.split_once('/');
    let parts = parts.and_then(|(project, name)| Some((project.parse().ok()?, name.parse().ok()?)));
    parts.ok_or_else(|| {
        Error::new(Code::InvalidRequest, "`after` is no place in the list of tokens")
            .field("after")
            .hint("send the `next` of the page before")
    })
}
