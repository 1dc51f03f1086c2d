//! `GET /api/credentials`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;
use mirage_core::{Credential as Listed, CredentialId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::Filter;
use crate::rest::part::Part;
use crate::rest::wire::credential::Credential;

/// A page of credentials.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Credentials {
    /// By registry, then repository.
    credentials: Vec<Credential>,
    /// The `after` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// List credentials
#[utoipa::path(
    get,
    path = "/api/credentials",
    tag = "credentials",
    operation_id = "listCredentials",
    params(Part),
    responses(
        (status = 200, description = "A page of credentials, without their passwords", body = Credentials),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn list_credentials(
    State(control): State<Control>,
    Caller(actor): Caller,
    Filter(part): Filter<Part>,
) -> Result<Json<Credentials>, Problem> {
    let after = part.after("credentials", place)?;
    let page = control.credentials(&actor, after.as_ref(), part.limit()?).await?;
    let last = page.items.last().filter(|_| page.more);
    let next = last.map(|last| {
        let Listed { id, owner, prefix, .. } = &last.credential;
        format!("{}/{}@{id}", owner.host, prefix.as_ref().map(ToString::to_string).unwrap_or_default())
    });
    Ok(Json(Credentials { credentials: page.items.into_iter().map(Credential::from).collect(), next }))
}

fn place(text: &str) -> Option<(String, String, CredentialId)> {
    text.rsplit_once('@').and_then(|(at, id)| {
        let (host, prefix) = at.split_once('/')?;
        Some((host.to_owned(), prefix.to_owned(), id.parse().ok()?))
    })
}
