//! What clients of the built-in registry see of others.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, Method, StatusCode, header};
use mirage_core::{Code, Digest, Error};

use super::super::fault::{Fault, FaultCode};
use super::super::path::ManifestName;
use super::super::{Call, blobs, header_value, manifests};
use super::blobs::Place;
use super::{Origin, PullThrough};

/// `GET` and `HEAD` of a manifest.
pub(in crate::registry) async fn manifest(
    call: &Call,
    (through, origin): (PullThrough, Origin),
    name: &ManifestName,
) -> Result<Response, Fault> {
    let found = match name {
        ManifestName::Tag(tag) => through.tagged(&origin, tag).await,
        ManifestName::Digest(digest) => through.manifest(&origin, digest).await,
    };
    let found = found.map_err(|error| fault(error, || manifests::unknown(name)))?;
    let mut response = manifests::answer(call, found.digest, found.media_type, found.bytes)?;
    if let Some(why) = found.stale {
        // The only code and agent that the distribution specification has for warnings.
        response.headers_mut().insert(header::WARNING, header_value(format!("299 - \"{why}\""))?);
    }
    Ok(response)
}

/// `GET` and `HEAD` of a blob that is not here yet; `None` where it is.
pub(in crate::registry) async fn blob(
    call: &Call,
    (through, origin): (PullThrough, Origin),
    digest: &Digest,
) -> Result<Option<Response>, Fault> {
    let failed = |error| fault(error, || Fault::blob_unknown(digest));
    // Who only wants to know of it does not set it out.
    if call.parts.method == Method::HEAD && !through.has_blob(&origin, digest).await? {
        let size = through.size(&origin, digest).await.map_err(failed)?;
        return blobs::answer(call, digest, size, |_, _| Body::empty()).map(Some);
    }
    let arrival = match through.blob(&origin, digest).await.map_err(failed)? {
        Place::Kept => return Ok(None),
        Place::Arriving(arrival) => arrival,
    };
    if arrival.size() == 0 {
        arrival.ended(&Default::default()).await.map_err(failed)?;
    }
    let size = arrival.size();
    blobs::answer(call, digest, size, |first, length| Body::from_stream(arrival.read(first, length)))
        .map(Some)
}

/// The answer to whoever wants to write into a repository of another registry.
pub(in crate::registry) fn refuse_push(origin: &Origin) -> Fault {
    Fault::new(
        StatusCode::METHOD_NOT_ALLOWED,
        FaultCode::Unsupported,
        format!(
            "`{}` is what `{}` has, read through this registry: push there, or under a name that does not start with a registry",
            origin.here(),
            origin.host()
        ),
    )
    .header(header::ALLOW, HeaderValue::from_static("DELETE, GET, HEAD"))
}

/// What an origin said, as this registry says it.
fn fault(error: Error, unknown: impl FnOnce() -> Fault) -> Fault {
    let (status, code) = match error.code() {
        Code::ImageNotFound => return unknown(),
        Code::RegistryAuthError => (StatusCode::FORBIDDEN, FaultCode::Denied),
        Code::RegistryRateLimited => (StatusCode::TOO_MANY_REQUESTS, FaultCode::TooManyRequests),
        Code::RegistryUnreachable | Code::RegistryTlsError | Code::ImagePullError | Code::ImageTooLarge => {
            (StatusCode::BAD_GATEWAY, FaultCode::Unknown)
        }
        Code::TargetUnavailable => (StatusCode::SERVICE_UNAVAILABLE, FaultCode::Unknown),
        _ => return error.into(),
    };
    Fault::new(status, code, error.message())
}
