//! `POST /api/tokens`

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use mirage_control::{Control, NewToken};
use mirage_core::{Error, Secret};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use super::create_service::name;
use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::Body;
use crate::rest::wire::token::ProjectAccess;

/// A token that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CreateToken {
    /// What it is for, unique in its project.
    #[schema(example = "ci")]
    name: String,
    /// The project, made if it is not there; `default` by default.
    project: Option<String>,
    /// Whether images may be pushed and removed, besides pulled; false by default.
    #[serde(default)]
    push: bool,
}

/// A token that was made.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatedToken {
    #[serde(flatten)]
    access: ProjectAccess,
    /// The token. It is not shown again.
    #[schema(value_type = String)]
    token: Shown,
}

/// A token on its way to whoever asked for it.
struct Shown(Secret);

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.reveal())
    }
}

/// Create a token
///
/// For the images of one project in the built-in registry: user name free, the token as password.
#[utoipa::path(
    post,
    path = "/api/tokens",
    tag = "tokens",
    operation_id = "createToken",
    request_body = CreateToken,
    responses(
        (status = 201, description = "Made; the token is in this answer alone", body = CreatedToken),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn create_token(
    State(control): State<Control>,
    Caller(actor): Caller,
    Body(request): Body<CreateToken>,
) -> Result<impl IntoResponse, Problem> {
    let new = NewToken {
        name: request.name.parse().map_err(|error: Error| error.field("name"))?,
        project: name(request.project, "project")?,
        push: request.push,
    };
    let (grant, token) = control.create_token(&actor, new).await?;
    Ok((StatusCode::CREATED, Json(CreatedToken { access: grant.into(), token: Shown(token) })))
}
