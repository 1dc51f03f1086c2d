//! `GET /api/volumes`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;
use mirage_core::{Name, VolumeId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::Filter;
use crate::rest::part::Part;
use crate::rest::wire::volume::Volume;

/// A page of volumes, by name.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Volumes {
    /// The volumes, those among them that were removed and can be taken back.
    volumes: Vec<Volume>,
    /// The `after` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// List volumes
#[utoipa::path(
    get,
    path = "/api/volumes",
    tag = "volumes",
    operation_id = "listVolumes",
    params(Part),
    responses(
        (status = 200, description = "A page of volumes", body = Volumes),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn list_volumes(
    State(control): State<Control>,
    Caller(actor): Caller,
    Filter(part): Filter<Part>,
) -> Result<Json<Volumes>, Problem> {
    let after = part.after("volumes", place)?;
    let listing = control.volumes(&actor, after, part.limit()?).await?;
    let next = match listing.items.last() {
        Some(last) if listing.more => Some(format!("{}:{}", last.volume.name, last.volume.id)),
        _ => None,
    };
    Ok(Json(Volumes { volumes: listing.items.into_iter().map(Volume::from).collect(), next }))
}

fn place(text: &str) -> Option<(Name, VolumeId)> {
    let (name, id) = text.split_once(':')?;
    Some((name.parse().ok()?, id.parse().ok()?))
}
