//! `POST /api/credentials`

use axum::Json;
use axum::extract::State;
use mirage_control::{Control, CredentialPlace};
use mirage_core::{RegistryPlace, Secret};
use serde::Deserialize;
use utoipa::ToSchema;

use super::create_service::name;
use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::Body;
use crate::rest::wire::credential::Credential;

/// A credential that services share.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewCredential {
    /// The registry.
    #[schema(example = "ghcr.io")]
    registry: String,
    /// Only for repositories at or below this one.
    #[schema(example = "acme")]
    repository: Option<String>,
    /// The user name. At Amazon ECR an access key, or `AWS` with a password that was made already.
    username: String,
    /// The password or token. It is sealed, and no answer has it.
    #[schema(value_type = String, write_only)]
    password: Secret,
    /// The project, made if it is not there; `default` by default.
    project: Option<String>,
    /// The environment, made if it is not there; without one, the whole project shares the credential.
    environment: Option<String>,
}

/// Set a credential
///
/// For the services of a project or an environment that have none of their own. It takes the place of the
/// one they shared for the same registry and repository.
#[utoipa::path(
    post,
    path = "/api/credentials",
    tag = "credentials",
    operation_id = "setCredential",
    request_body = NewCredential,
    responses(
        (status = 200, description = "Kept", body = Credential),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn set_credential(
    State(control): State<Control>,
    Caller(actor): Caller,
    Body(request): Body<NewCredential>,
) -> Result<Json<Credential>, Problem> {
    let at = RegistryPlace::read(&request.registry, request.repository.as_deref().unwrap_or_default())?;
    let new = mirage_control::NewCredential {
        place: CredentialPlace {
            project: name(request.project, "project")?,
            environment: name(request.environment, "environment")?,
        },
        host: at.host,
        prefix: at.prefix,
        username: request.username,
        password: request.password,
    };
    Ok(Json(control.set_credential(&actor, new).await?.into()))
}
