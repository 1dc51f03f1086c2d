//! `POST /api/volumes`

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use mirage_control::{Control, NewVolume};
use mirage_core::Error;
use serde::Deserialize;
use utoipa::ToSchema;

use super::create_service::name;
use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::Body;
use crate::rest::wire::volume::Volume;

/// A volume that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CreateVolume {
    /// Unique in its environment.
    #[schema(example = "data")]
    name: String,
    /// The project, made if it is not there; `default` by default.
    project: Option<String>,
    /// The environment, made if it is not there; `production` by default.
    environment: Option<String>,
}

/// Create a volume
///
/// A service that names one which is not there makes it too; this is for filling one beforehand.
#[utoipa::path(
    post,
    path = "/api/volumes",
    tag = "volumes",
    operation_id = "createVolume",
    request_body = CreateVolume,
    responses(
        (status = 201, description = "Made", body = Volume),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn create_volume(
    State(control): State<Control>,
    Caller(actor): Caller,
    Body(request): Body<CreateVolume>,
) -> Result<impl IntoResponse, Problem> {
    let new = NewVolume {
        name: request.name.parse().map_err(|error: Error| error.field("name"))?,
        project: name(request.project, "project")?,
        environment: name(request.environment, "environment")?,
    };
    let made = control.create_volume(&actor, new).await?;
    Ok((StatusCode::CREATED, Json(Volume::from(made))))
}
