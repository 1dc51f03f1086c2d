//! `POST /api/credentials/{credential}/test`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;
use mirage_core::port::LoginCheck;
use mirage_core::{Error, Reference};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::{Body, WantedCredential};

/// What to try.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TestCredential {
    /// An image of the registry that must be readable with it; without one, the login alone is tried.
    #[schema(example = "ghcr.io/acme/web:1.2")]
    image: Option<String>,
}

/// What the registry said.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestedCredential {
    /// Whether the registry looked at the login. One that lets everybody in does not.
    asked: bool,
}

/// Test a credential
///
/// Shows it to its registry. A login that is not accepted is a `REGISTRY_AUTH_ERROR`.
#[utoipa::path(
    post,
    path = "/api/credentials/{credential}/test",
    tag = "credentials",
    operation_id = "testCredential",
    params(("credential" = String, Path, description = "Id of the credential")),
    request_body(content = TestCredential, description = "May be empty"),
    responses(
        (status = 200, description = "Nothing speaks against it", body = TestedCredential),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn test_credential(
    State(control): State<Control>,
    Caller(actor): Caller,
    WantedCredential(id): WantedCredential,
    Body(request): Body<TestCredential>,
) -> Result<Json<TestedCredential>, Problem> {
    let image: Option<Reference> =
        request.image.map(|text| text.parse()).transpose().map_err(|error: Error| error.field("image"))?;
    let said = control.test_credential(&actor, id, image.as_ref()).await?;
    Ok(Json(TestedCredential { asked: said == LoginCheck::Accepted }))
}
