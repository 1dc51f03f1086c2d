//! `GET /api/volumes`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;
use mirage_core::{Code, Error, Name, Result, VolumeId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::{Filter, limit};
use crate::rest::wire::volume::Volume;

/// Which volumes.
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
    params(Which),
    responses(
        (status = 200, description = "A page of volumes", body = Volumes),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn list_volumes(
    State(control): State<Control>,
    Caller(actor): Caller,
    Filter(which): Filter<Which>,
) -> Result<Json<Volumes>, Problem> {
    let after = which.after.map(|text| place(&text)).transpose()?;
    let listing = control.volumes(&actor, after, limit(which.limit.as_deref(), 100, 500)?).await?;
    let next = match listing.volumes.last() {
        Some(last) if listing.more => Some(format!("{}:{}", last.volume.name, last.volume.id)),
        _ => None,
    };
    Ok(Json(Volumes { volumes: listing.volumes.into_iter().map(Volume::from).collect(), next }))
}

fn place(text: &str) -> Result<(Name, VolumeId)> {
    let parts = text.split_once(':').and_then(|(name, id)| Some((name.parse().ok()?, id.parse().ok()?)));
    parts.ok_or_else(|| {
        Error::new(Code::InvalidRequest, "`after` is no place in the list of volumes")
            .field("after")
            .hint("send the `next` of the page before")
    })
}
