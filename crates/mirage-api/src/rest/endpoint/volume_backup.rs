//! `GET/PUT /api/volumes/{volume}/backup`

use std::time::Duration;

use axum::Json;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, header};
use mirage_control::Control;
use mirage_core::port::Archive;
use mirage_core::{Code, Error};

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::WantedVolume;
use crate::rest::wire::volume::Volume;

/// What an archive is.
const ZSTD: HeaderValue = HeaderValue::from_static("application/zstd");

/// How long nothing of an archive may arrive until it counts as broken off.
const PATIENCE: Duration = Duration::from_secs(60);

/// Back a volume up
///
/// A tar compressed with zstd, with owners, modes and extended attributes. The service may run: the archive is
/// what a machine would find that lost its power while it was made. An answer that breaks off is no backup.
#[utoipa::path(
    get,
    path = "/api/volumes/{volume}/backup",
    tag = "volumes",
    operation_id = "backUpVolume",
    params(("volume" = String, Path, description = "Id, name, or project/environment/name")),
    responses(
        (status = 200, description = "The archive", content((Vec<u8> = "application/zstd"))),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn back_up_volume(
    State(control): State<Control>,
    Caller(actor): Caller,
    WantedVolume(wanted): WantedVolume,
) -> Result<Response, Problem> {
    let (volume, archive) = control.backup_volume(&actor, &wanted).await?;
    // A name has letters, digits and hyphens alone.
    let name = HeaderValue::try_from(format!("attachment; filename=\"{}.tar.zst\"", volume.name));
    let pieces = archive.map(|piece| match piece {
        Ok(piece) => Ok(Bytes::from(piece)),
        Err(error) => {
            tracing::error!(?error, "a backup of a volume broke off");
            Err(std::io::Error::other("the backup broke off"))
        }
    });
    let mut answer = ([(header::CONTENT_TYPE, ZSTD)], Body::from_stream(pieces)).into_response();
    if let Ok(name) = name {
        answer.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(answer)
}

/// Fill a volume from a backup
///
/// Takes the place of what is in it, once all of it has arrived. Refused while an instance uses the volume. A volume
/// that is named and not there is made.
#[utoipa::path(
    put,
    path = "/api/volumes/{volume}/backup",
    tag = "volumes",
    operation_id = "fillVolume",
    params(("volume" = String, Path, description = "Id, name, or project/environment/name")),
    request_body(content = Vec<u8>, content_type = "application/zstd"),
    responses(
        (status = 200, description = "Filled", body = Volume),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn fill_volume(
    State(control): State<Control>,
    Caller(actor): Caller,
    WantedVolume(wanted): WantedVolume,
    request: Request,
) -> Result<Json<Volume>, Problem> {
    let archive = pieces(request.into_body().into_data_stream());
    Ok(Json(control.fill_volume(&actor, &wanted, archive).await?.into()))
}

/// A body as it arrives.
fn pieces(body: BodyDataStream) -> Archive {
    let next = |mut body: BodyDataStream| async {
        let piece = match tokio::time::timeout(PATIENCE, body.next()).await {
            Ok(piece) => piece?.map(Vec::from).map_err(|error| {
                Error::new(Code::InvalidRequest, "the archive broke off on its way")
                    .hint("send it again")
                    .because(error)
            }),
            Err(_) => Err(Error::new(
                Code::DeadlineExceeded,
                format!("nothing of the archive arrived for {} seconds", PATIENCE.as_secs()),
            )
            .hint("send it again")),
        };
        Some((piece, body))
    };
    stream::unfold(body, next).boxed()
}
