//! `/v2/<name>/blobs/<digest>`: how blobs go out.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::TryFutureExt as _;
use http::{HeaderValue, Method, StatusCode, header};
use mirage_core::{Digest, Error, Repository};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::fault::{Fault, FaultCode};
use super::range::{self, Wanted};
use super::{CONTENT_DIGEST, Call, header_value, on_disk, through};

/// How much of a blob is read from the disk at once.
const PIECE_BYTES: usize = 256 * 1024;

/// `GET` and `HEAD`: the blob, or the part of it that `Range` asks for.
pub(super) async fn get(call: Call, repository: Repository, digest: Digest) -> Result<Response, Fault> {
    if let Some(elsewhere) = call.origin(&repository)
        && let Some(arriving) = through::blob(&call, elsewhere, &digest).await?
    {
        return Ok(arriving);
    }
    if call.parts.method == Method::HEAD {
        wait_anew(&call, repository.clone(), digest.clone()).await?;
    }
    let (file, size) = open(&call, repository, digest.clone()).await?;
    answer(&call, &digest, size, |first, length| stream(file, first, length))
}

/// The answer to `GET` and `HEAD` of a blob with so many bytes; `body` gives so many of them from an offset on.
pub(super) fn answer(
    call: &Call,
    digest: &Digest,
    size: u64,
    body: impl FnOnce(u64, u64) -> Body,
) -> Result<Response, Fault> {
    let wanted = match (call.header(&header::RANGE), call.header(&header::IF_RANGE)) {
        (Some(range), None) => range::wanted(range, size),
        (Some(range), Some(tag)) if tag == etag(digest) => range::wanted(range, size),
        _ => Wanted::Whole,
    };
    let (status, first, length) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0, size),
        Wanted::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Wanted::Unsatisfiable => return Err(unsatisfiable(size)?),
    };
    let body = match call.parts.method {
        Method::HEAD => Body::empty(),
        _ => body(first, length),
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, header_value(etag(digest))?);
    headers.insert(CONTENT_DIGEST, header_value(digest)?);
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {first}-{}/{size}", first + length - 1);
        headers.insert(header::CONTENT_RANGE, header_value(range)?);
    }
    Ok(response)
}

/// `DELETE`: takes the blob from this repository. The bytes go when nobody needs them any more.
pub(super) async fn delete(call: Call, repository: Repository, digest: Digest) -> Result<Response, Fault> {
    on_disk(move || {
        let repositories = &call.state.repositories;
        let _alone = repositories.removing();
        match repositories.unlink_blob(&repository, &digest)? {
            true => Ok(StatusCode::ACCEPTED.into_response()),
            false => Err(Fault::blob_unknown(&digest)),
        }
    })
    .await
}

/// Whoever pushes asks for a blob first, and does not send it where it is here: then it has to be when the manifest comes.
async fn wait_anew(call: &Call, repository: Repository, digest: Digest) -> Result<(), Fault> {
    let repositories = call.state.repositories.clone();
    on_disk(move || {
        let _settled = repositories.adding();
        match repositories.has_blob(&repository, &digest) {
            true => Ok(repositories.link_blob(&repository, &digest)?),
            false => Ok(()),
        }
    })
    .await
}

async fn open(call: &Call, repository: Repository, digest: Digest) -> Result<(File, u64), Fault> {
    let state = call.state.clone();
    on_disk(move || {
        if !state.repositories.has_blob(&repository, &digest) {
            return Err(Fault::blob_unknown(&digest));
        }
        let file = std::fs::File::open(state.store.blob_path(&digest));
        match file.and_then(|file| Ok((file.metadata()?.len(), file))) {
            Ok((size, file)) => Ok((File::from_std(file), size)),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                tracing::error!(%repository, %digest, "registry: a linked blob is missing from the content store");
                Err(Fault::blob_unknown(&digest))
            }
            Err(cause) => Err(Error::internal("read a blob of the registry", cause).into()),
        }
    })
    .await
}

fn stream(mut file: File, first: u64, length: u64) -> Body {
    let seek = async move {
        if first > 0 {
            file.seek(std::io::SeekFrom::Start(first)).await?;
        }
        Ok::<_, std::io::Error>(ReaderStream::with_capacity(file.take(length), PIECE_BYTES))
    };
    Body::from_stream(seek.try_flatten_stream())
}

fn etag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

fn unsatisfiable(size: u64) -> Result<Fault, Fault> {
    let fault = Fault::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        FaultCode::RangeInvalid,
        format!("the range lies outside of the blob, which has {size} bytes"),
    );
    Ok(fault.header(header::CONTENT_RANGE, header_value(format!("bytes */{size}"))?))
}
