//! `/v2/<name>/manifests/<tag or digest>`.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use mirage_core::{Digest, DigestAlgorithm, Error, Repository, Tag};
use serde_json::json;

use super::fault::{Fault, FaultCode};
use super::manifest::{self, Descriptor, Manifest, Needs};
use super::path::ManifestName;
use super::{CONTENT_DIGEST, Call, RegistryState, header_value, on_disk, receive, through};
use crate::hash::digest_of;

const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// How many missing blobs one refusal lists.
const LISTED: usize = 20;

/// `GET` and `HEAD`: the bytes as they were pushed, whatever the client would rather accept.
pub(super) async fn get(call: Call, repository: Repository, name: ManifestName) -> Result<Response, Fault> {
    if let Some(elsewhere) = call.origin(&repository) {
        return through::manifest(&call, elsewhere, &name).await;
    }
    let state = call.state.clone();
    let (digest, media_type, bytes) = on_disk(move || find(&state, &repository, &name)).await?;
    answer(&call, digest, media_type, bytes.into())
}

/// The answer to `GET` and `HEAD`.
pub(super) fn answer(
    call: &Call,
    digest: Digest,
    media_type: String,
    bytes: Bytes,
) -> Result<Response, Fault> {
    let length = bytes.len();
    let body = if call.parts.method == Method::HEAD { Body::empty() } else { Body::from(bytes) };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header_value(media_type)?);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::ETAG, header_value(format!("\"{digest}\""))?);
    headers.insert(CONTENT_DIGEST, header_value(digest)?);
    Ok(response)
}

/// `PUT`: takes a manifest when everything it names is here.
pub(super) async fn put(
    call: Call,
    body: Body,
    repository: Repository,
    name: ManifestName,
) -> Result<Response, Fault> {
    let content_type = call.header(&header::CONTENT_TYPE).map(str::to_owned);
    let bytes = receive::manifest(&call.parts.headers, body).await?;
    let manifest = Manifest::read(&bytes, content_type.as_deref())?;
    let digest = checked_digest(&bytes, &name)?;
    let subject = manifest.subject.clone();
    let mut response = StatusCode::CREATED.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, header_value(format!("/v2/{repository}/manifests/{digest}"))?);
    headers.insert(CONTENT_DIGEST, header_value(&digest)?);
    if let Some(subject) = subject {
        headers.insert(SUBJECT, header_value(subject)?);
    }
    on_disk(move || keep(&call.state, &repository, &name, &digest, &manifest, &bytes)).await?;
    Ok(response)
}

/// `DELETE`: by tag only the tag, by digest the manifest and every tag that means it.
pub(super) async fn delete(
    call: Call,
    repository: Repository,
    name: ManifestName,
) -> Result<Response, Fault> {
    on_disk(move || {
        let repositories = &call.state.repositories;
        let _alone = repositories.removing();
        let was_there = match &name {
            ManifestName::Tag(tag) => repositories.remove_tag(&repository, tag)?,
            ManifestName::Digest(digest) => {
                let subject = call.state.store.blob(digest, manifest::MAX_BYTES)?;
                let kind = repositories.media_type(&repository, digest)?;
                let subject = subject.and_then(|bytes| Manifest::read(&bytes, kind.as_deref()).ok()?.subject);
                repositories.remove_manifest(&repository, digest, subject.as_ref())?
            }
        };
        if was_there { Ok(StatusCode::ACCEPTED.into_response()) } else { Err(unknown(&name)) }
    })
    .await
}

/// A manifest of the repository: its digest, media type and bytes.
fn find(
    state: &RegistryState,
    repository: &Repository,
    name: &ManifestName,
) -> Result<(Digest, String, Vec<u8>), Fault> {
    let digest = match name {
        ManifestName::Digest(digest) => Some(digest.clone()),
        ManifestName::Tag(tag) => state.repositories.resolve(repository, tag)?,
    };
    let digest = digest.ok_or_else(|| unknown(name))?;
    let media_type = state.repositories.media_type(repository, &digest)?.ok_or_else(|| unknown(name))?;
    let bytes = state.store.blob(&digest, manifest::MAX_BYTES)?.ok_or_else(|| {
        tracing::error!(%repository, %digest, "registry: a manifest is missing from the content store");
        unknown(name)
    })?;
    Ok((digest, media_type, bytes))
}

/// The digest of the bytes, which must be the one they were sent under, if they were.
fn checked_digest(bytes: &[u8], name: &ManifestName) -> Result<Digest, Fault> {
    let algorithm = match name {
        ManifestName::Digest(digest) => digest.algorithm(),
        ManifestName::Tag(_) => DigestAlgorithm::Sha256,
    };
    let digest = digest_of(algorithm, bytes);
    match name {
        ManifestName::Digest(stated) if *stated != digest => Err(Fault::bad_request(
            FaultCode::DigestInvalid,
            format!("the manifest was sent as `{stated}`, its bytes are `{digest}`"),
        )),
        _ => Ok(digest),
    }
}

/// Checks that all is here, then writes: bytes first, tag last.
fn keep(
    state: &RegistryState,
    repository: &Repository,
    name: &ManifestName,
    digest: &Digest,
    manifest: &Manifest,
    bytes: &Bytes,
) -> Result<(), Fault> {
    let settled = state.repositories.adding();
    check_all_here(state, repository, &manifest.needs)?;
    state.store.put_blob(digest, bytes)?;
    state.repositories.add_manifest(repository, digest, manifest.media_type, manifest.subject.as_ref())?;
    if let ManifestName::Tag(tag) = name {
        state.repositories.set_tag(repository, tag, digest)?;
    }
    drop(settled);
    if let ManifestName::Tag(tag) = name {
        announce(state, repository, tag, digest);
    }
    Ok(())
}

fn announce(state: &RegistryState, repository: &Repository, tag: &Tag, digest: &Digest) {
    tracing::info!(%repository, %tag, %digest, "registry: an image was pushed");
    if let Some(on_push) = &state.on_push {
        on_push(repository, tag, digest);
    }
}

/// Everything named must be in this very repository, and as long as the manifest says.
fn check_all_here(state: &RegistryState, repository: &Repository, needs: &Needs) -> Result<(), Fault> {
    let mut missing = Vec::new();
    let named = match needs {
        Needs::Blobs(named) | Needs::Manifests(named) => named,
    };
    for content in named {
        let linked = match needs {
            Needs::Blobs(_) => state.repositories.has_blob(repository, &content.digest),
            Needs::Manifests(_) => state.repositories.media_type(repository, &content.digest)?.is_some(),
        };
        let size = if linked { size_of(state, &content.digest)? } else { None };
        match size {
            None => missing.push(&content.digest),
            Some(size) => check_size(content, size)?,
        }
    }
    let Some(first) = missing.first() else { return Ok(()) };
    let kind = if matches!(needs, Needs::Blobs(_)) { "blob" } else { "manifest" };
    let others = match missing.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Err(Fault::bad_request(
        FaultCode::ManifestBlobUnknown,
        format!("the manifest names the {kind} `{first}`{others}, which the repository does not have: push it first"),
    )
    .detail(json!({ "digests": &missing[..missing.len().min(LISTED)] })))
}

fn check_size(content: &Descriptor, size: u64) -> Result<(), Fault> {
    if content.size == size {
        return Ok(());
    }
    Err(Fault::bad_request(
        FaultCode::ManifestInvalid,
        format!("the manifest says `{}` has {} bytes, it has {size}", content.digest, content.size),
    ))
}

fn size_of(state: &RegistryState, digest: &Digest) -> Result<Option<u64>, Fault> {
    match std::fs::metadata(state.store.blob_path(digest)) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::internal("read a blob of the registry", cause).into()),
    }
}

/// There is no manifest of this name.
pub(super) fn unknown(name: &ManifestName) -> Fault {
    match name {
        ManifestName::Tag(tag) => Fault::manifest_unknown(tag.as_str()),
        ManifestName::Digest(digest) => Fault::manifest_unknown(&digest.to_string()),
    }
}
