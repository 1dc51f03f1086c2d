//! `GET /api/credentials`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;
use mirage_core::{Code, Credential as Listed, CredentialId, Error, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::{Filter, limit};
use crate::rest::wire::credential::Credential;

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
    params(Which),
    responses(
        (status = 200, description = "A page of credentials, without their passwords", body = Credentials),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn list_credentials(
    State(control): State<Control>,
    Caller(actor): Caller,
    Filter(which): Filter<Which>,
) -> Result<Json<Credentials>, Problem> {
    let after = which.after.map(|text| place(&text)).transpose()?;
    let page = control.credentials(&actor, after.as_ref(), limit(which.limit.as_deref(), 100, 500)?).await?;
    let last = page.items.last().filter(|_| page.more);
    let next = last.map(|last| {
        let Listed { id, owner, prefix, .. } = &last.credential;
        format!("{}/{}@{id}", owner.host, prefix.as_ref().map(ToString::to_string).unwrap_or_default())
    });
    Ok(Json(Credentials { credentials: page.items.into_iter().map(Credential::from).collect(), next }))
}

fn place(text: &str) -> Result<(String, String, CredentialId)> {
    let parts = text.rsplit_once('@').and_then(|(at, id)| {
        let (host, prefix) = at.split_once('/')?;
        Some((host.to_owned(), prefix.to_owned(), id.parse().ok()?))
    });
    parts.ok_or_else(|| {
        Error::new(Code::InvalidRequest, "`after` is no place in the list of credentials")
            .field("after")
            .hint("send the `next` of the page before")
    })
}
