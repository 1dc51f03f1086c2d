//! `/v2/<name>/blobs/uploads/`: how blobs come in.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, StatusCode, header};
use mirage_core::{Digest, Repository};
use serde::Deserialize;

use super::fault::{Fault, FaultCode};
use super::path::{self, UploadId};
use super::sessions::Lease;
use super::{
    Access, Action, CONTENT_DIGEST, Call, Decision, RegistryState, header_value, on_disk, range, receive,
};

const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

#[derive(Deserialize)]
struct Start {
    digest: Option<String>,
    mount: Option<String>,
    from: Option<String>,
}

#[derive(Deserialize)]
struct Finish {
    digest: Option<String>,
}

/// `POST`: starts an upload; with `digest` the body is the whole blob; with `mount` and `from` a
/// blob of another repository is taken over without moving a byte, where the caller may read it.
pub(super) async fn start(call: Call, body: Body, repository: Repository) -> Result<Response, Fault> {
    let query: Start = call.query()?;
    if let (Some(mount), Some(from)) = (&query.mount, &query.from) {
        let digest = path::digest(mount)?;
        if mount_from(&call, &repository, from, &digest).await? {
            return created(&repository, &digest);
        }
    }
    let whole = query.digest.as_deref().map(path::digest).transpose()?;
    let (state, into) = (call.state.clone(), repository.clone());
    let lease = on_disk(move || state.uploads.start(&into, &state.store)).await?;
    match whole {
        Some(digest) => complete(call, body, repository, digest, lease.unnamed()).await,
        None => progress(StatusCode::ACCEPTED, &repository, lease.id(), lease.received()),
    }
}

/// `GET`: how much of an upload has arrived.
pub(super) fn status(call: &Call, repository: &Repository, id: &UploadId) -> Result<Response, Fault> {
    let received = call.state.uploads.received(repository, id)?;
    progress(StatusCode::NO_CONTENT, repository, id, received)
}

/// `PATCH`: appends to an upload. With `Content-Range` the chunk must follow on what has arrived.
pub(super) async fn append(
    call: Call,
    body: Body,
    repository: Repository,
    id: UploadId,
) -> Result<Response, Fault> {
    let lease = call.state.uploads.borrow(&repository, &id)?;
    check_place(&call, &repository, &lease)?;
    let lease = receive::into_upload(body, lease).await?;
    progress(StatusCode::ACCEPTED, &repository, lease.id(), lease.received())
}

/// `PUT`: appends what the body still holds, and gives the blob its name.
pub(super) async fn finish(
    call: Call,
    body: Body,
    repository: Repository,
    id: UploadId,
) -> Result<Response, Fault> {
    let query: Finish = call.query()?;
    let digest = query.digest.ok_or_else(|| {
        Fault::bad_request(FaultCode::DigestInvalid, "the query parameter `digest` is missing")
    })?;
    let digest = path::digest(&digest)?;
    let lease = call.state.uploads.borrow(&repository, &id)?;
    check_place(&call, &repository, &lease)?;
    complete(call, body, repository, digest, lease).await
}

/// `DELETE`: gives an upload up.
pub(super) async fn cancel(call: Call, repository: Repository, id: UploadId) -> Result<Response, Fault> {
    on_disk(move || call.state.uploads.cancel(&repository, &id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Whether the blob could be taken over from another repository. Where it could not, for whatever
/// reason, the client uploads it: nobody learns what a repository holds that they may not read.
async fn mount_from(call: &Call, into: &Repository, from: &str, digest: &Digest) -> Result<bool, Fault> {
    let Ok(from) = from.parse::<Repository>() else { return Ok(false) };
    if call.may(&Access::Repository(from.clone(), Action::Pull)).await != Decision::Allow {
        return Ok(false);
    }
    let (state, into, digest) = (call.state.clone(), into.clone(), digest.clone());
    on_disk(move || {
        let _settled = state.repositories.adding();
        let there = state.repositories.has_blob(&from, &digest) && state.store.has_blob(&digest);
        if there {
            state.repositories.link_blob(&into, &digest)?;
        }
        Ok(there)
    })
    .await
}

/// Refuses a chunk that does not follow on what has arrived, or that is too large, before reading it.
fn check_place(call: &Call, repository: &Repository, lease: &Lease) -> Result<(), Fault> {
    let length = receive::content_length(&call.parts.headers);
    if let Some(header) = call.header(&header::CONTENT_RANGE) {
        let (first, announced) = range::chunk(header)?;
        if length != Some(announced) {
            return Err(Fault::bad_request(
                FaultCode::SizeInvalid,
                format!("`Content-Range` announces {announced} bytes, `Content-Length` does not"),
            ));
        }
        if first != lease.received() {
            let fault = Fault::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                FaultCode::BlobUploadInvalid,
                format!("the chunk starts at {first}, {} bytes have arrived", lease.received()),
            );
            return Err(fault
                .header(header::LOCATION, header_value(upload_address(repository, lease.id()))?)
                .header(header::RANGE, header_value(arrived(lease.received()))?));
        }
    }
    lease.check_room(length.unwrap_or(0))
}

async fn complete(
    call: Call,
    body: Body,
    repository: Repository,
    digest: Digest,
    lease: Lease,
) -> Result<Response, Fault> {
    lease.check_room(receive::content_length(&call.parts.headers).unwrap_or(0))?;
    let lease = receive::into_upload(body, lease).await?;
    name_it(call.state, repository.clone(), digest.clone(), lease).await?;
    created(&repository, &digest)
}

async fn name_it(
    state: RegistryState,
    repository: Repository,
    digest: Digest,
    lease: Lease,
) -> Result<(), Fault> {
    on_disk(move || {
        // The blob belongs to nobody until it is linked: held, garbage collection spares it.
        let _hold = state.store.hold([digest.clone()]);
        lease.finish(&digest)?;
        let _settled = state.repositories.adding();
        Ok(state.repositories.link_blob(&repository, &digest)?)
    })
    .await
}

fn created(repository: &Repository, digest: &Digest) -> Result<Response, Fault> {
    let headers = [
        (header::LOCATION, header_value(format!("/v2/{repository}/blobs/{digest}"))?),
        (CONTENT_DIGEST, header_value(digest)?),
    ];
    Ok((StatusCode::CREATED, headers).into_response())
}

fn progress(
    status: StatusCode,
    repository: &Repository,
    id: &UploadId,
    received: u64,
) -> Result<Response, Fault> {
    let headers = [
        (header::LOCATION, header_value(upload_address(repository, id))?),
        (header::RANGE, header_value(arrived(received))?),
        (UPLOAD_UUID, header_value(id)?),
    ];
    Ok((status, headers).into_response())
}

fn upload_address(repository: &Repository, id: &UploadId) -> String {
    format!("/v2/{repository}/blobs/uploads/{id}")
}

/// What has arrived, as the specification writes it: both ends included, and `0-0` for nothing too.
fn arrived(received: u64) -> String {
    format!("0-{}", received.saturating_sub(1))
}
