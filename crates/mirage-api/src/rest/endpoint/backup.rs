//! `POST /api/backup`

use axum::body::Body as Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use http::{HeaderName, HeaderValue, header};
use mirage_control::Control;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::Body;

/// What a backup is to hold.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Wish {
    /// Also the layers of images that come from other registries.
    #[serde(default)]
    images: bool,
}

/// The name of the vault's key, which is not in the backup.
const KEY: HeaderName = HeaderName::from_static("mirage-vault-key");

/// Make a backup
///
/// A tar archive with the database and the images of the built-in registry; `mirage restore` reads it. The key of the
/// vault is not in it, nor are volumes and logs. It is whole only where the answer does not break off. What is in
/// it is not for everybody: variables that are not sealed can be read.
#[utoipa::path(
    post,
    path = "/api/backup",
    tag = "platform",
    operation_id = "makeBackup",
    request_body = Wish,
    responses(
        (status = 200, description = "The archive", content_type = "application/x-tar", headers(
            ("mirage-vault-key" = String, description = "The name of the vault's key that belongs to it")
        )),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn make_backup(
    State(control): State<Control>,
    Caller(actor): Caller,
    Body(wish): Body<Wish>,
) -> Result<Response, Problem> {
    let backup = control.backup(&actor, wish.images).await?;
    let bytes = backup.bytes.map(|chunk| {
        chunk.map_err(|error| {
            tracing::error!(?error, "api: a backup breaks off");
            std::io::Error::other(error.message().to_owned())
        })
    });
    let mut response = Bytes::from_stream(bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
    if let Some(key) = backup.key.and_then(|key| HeaderValue::from_str(&key).ok()) {
        headers.insert(KEY, key);
    }
    Ok(response)
}
