//! `GET/DELETE /api/volumes/{volume}` and `POST …/restore`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;
use serde::Deserialize;
use utoipa::ToSchema;

use super::create_service::name;
use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::{Body, WantedVolume};
use crate::rest::wire::volume::Volume;

/// How a removal is taken back.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RestoreVolume {
    /// Another name, where the old one is taken by now.
    name: Option<String>,
}

/// Show a volume
#[utoipa::path(
    get,
    path = "/api/volumes/{volume}",
    tag = "volumes",
    operation_id = "getVolume",
    params(("volume" = String, Path, description = "Id, name, or project/environment/name")),
    responses(
        (status = 200, description = "The volume", body = Volume),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn get_volume(
    State(control): State<Control>,
    Caller(actor): Caller,
    WantedVolume(wanted): WantedVolume,
) -> Result<Json<Volume>, Problem> {
    Ok(Json(control.volume(&actor, &wanted).await?.into()))
}

/// Remove a volume
///
/// Refused while a service mounts it. The data stays for 48 hours, in which the removal can be taken back; the name
/// is free at once.
#[utoipa::path(
    delete,
    path = "/api/volumes/{volume}",
    tag = "volumes",
    operation_id = "removeVolume",
    params(("volume" = String, Path, description = "Id, name, or project/environment/name")),
    responses(
        (status = 200, description = "Removed", body = Volume),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn remove_volume(
    State(control): State<Control>,
    Caller(actor): Caller,
    WantedVolume(wanted): WantedVolume,
) -> Result<Json<Volume>, Problem> {
    Ok(Json(control.remove_volume(&actor, &wanted).await?.into()))
}

/// Take the removal of a volume back
///
/// A name means the volume of that name that was removed last.
#[utoipa::path(
    post,
    path = "/api/volumes/{volume}/restore",
    tag = "volumes",
    operation_id = "restoreVolume",
    params(("volume" = String, Path, description = "Id, name, or project/environment/name")),
    request_body = RestoreVolume,
    responses(
        (status = 200, description = "There again", body = Volume),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn restore_volume(
    State(control): State<Control>,
    Caller(actor): Caller,
    WantedVolume(wanted): WantedVolume,
    Body(request): Body<RestoreVolume>,
) -> Result<Json<Volume>, Problem> {
    let name = name(request.name, "name")?;
    Ok(Json(control.restore_volume(&actor, &wanted, name).await?.into()))
}
