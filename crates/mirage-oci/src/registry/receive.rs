//! Request bodies, taken in pieces so that memory does not grow with the size of a blob.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, Limited};

use super::fault::{Fault, FaultCode};
use super::sessions::Lease;
use super::{manifest, on_disk};

/// A client that sends nothing for this long has gone.
const SILENCE: Duration = Duration::from_secs(60);

/// How much is gathered before it is written at once.
const PIECE_BYTES: usize = 256 * 1024;

/// Appends a request body to an upload. When the client breaks off, what arrived is kept and the
/// upload can be resumed.
pub(super) async fn into_upload(mut body: Body, mut lease: Lease) -> Result<Lease, Fault> {
    let mut pieces: Vec<Bytes> = Vec::new();
    let mut gathered = 0;
    let mut ended = Ok(());
    loop {
        match next_piece(&mut body).await {
            Ok(Some(piece)) => {
                gathered += piece.len();
                pieces.push(piece);
            }
            Ok(None) => break,
            Err(fault) => {
                ended = Err(fault);
                break;
            }
        }
        if gathered >= PIECE_BYTES {
            lease = write(lease, std::mem::take(&mut pieces)).await?;
            gathered = 0;
        }
    }
    if !pieces.is_empty() {
        lease = write(lease, pieces).await?;
    }
    ended.map(|()| lease)
}

/// Reads the whole body of a manifest, within the limit.
pub(super) async fn manifest(headers: &HeaderMap, body: Body) -> Result<Bytes, Fault> {
    let too_large = || {
        Fault::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            FaultCode::ManifestInvalid,
            format!(
                "the manifest is larger than the limit of {}",
                mirage_core::human_bytes(manifest::MAX_BYTES)
            ),
        )
    };
    if content_length(headers).is_some_and(|length| length > manifest::MAX_BYTES) {
        return Err(too_large());
    }
    let limited = Limited::new(body, manifest::MAX_BYTES as usize).collect();
    match tokio::time::timeout(SILENCE, limited).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(cause)) if cause.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(broken_off()),
        Err(_) => Err(silent()),
    }
}

/// The announced length of the body.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn next_piece(body: &mut Body) -> Result<Option<Bytes>, Fault> {
    loop {
        match tokio::time::timeout(SILENCE, body.frame()).await {
            Err(_) => return Err(silent()),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(broken_off()),
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => return Ok(Some(data)),
                Err(_trailers) => continue,
            },
        }
    }
}

async fn write(mut lease: Lease, pieces: Vec<Bytes>) -> Result<Lease, Fault> {
    on_disk(move || {
        for piece in pieces {
            lease.write(&piece)?;
        }
        Ok(lease)
    })
    .await
}

fn broken_off() -> Fault {
    Fault::bad_request(FaultCode::SizeInvalid, "the request ended before its announced length")
}

fn silent() -> Fault {
    Fault::new(
        StatusCode::REQUEST_TIMEOUT,
        FaultCode::BlobUploadInvalid,
        format!("nothing was received for {} seconds", SILENCE.as_secs()),
    )
}
