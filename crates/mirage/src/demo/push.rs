//! A push by the OCI distribution specification, as any client does it.

use mirage_core::{Code, Error, Result};
use reqwest::{Client, RequestBuilder, StatusCode, header};

use super::image::{Blob, Image};
use mirage_cli::Token;

/// Pushes an image to a registry: its blobs, then its manifest under a tag.
pub(super) async fn push(url: &str, token: &Token, repository: &str, tag: &str, image: Image) -> Result<()> {
    let http = Client::builder()
        .no_proxy()
        .build()
        .map_err(|error| Error::internal("prepare an HTTP client", error))?;
    let base = format!("{url}/v2/{repository}");
    for blob in [image.layer, image.config] {
        push_blob(&http, url, &base, token, blob).await?;
    }
    let manifest = http
        .put(format!("{base}/manifests/{tag}"))
        .basic_auth("demo", Some(token.reveal()))
        .header(header::CONTENT_TYPE, "application/vnd.oci.image.manifest.v1+json")
        .body(image.manifest);
    expect(manifest, StatusCode::CREATED).await.map(drop)
}

async fn push_blob(http: &Client, url: &str, base: &str, token: &Token, blob: Blob) -> Result<()> {
    let begin = http.post(format!("{base}/blobs/uploads/")).basic_auth("demo", Some(token.reveal()));
    let begun = expect(begin, StatusCode::ACCEPTED).await?;
    let place =
        begun.headers().get(header::LOCATION).and_then(|place| place.to_str().ok()).unwrap_or_default();
    let place = if place.starts_with('/') { format!("{url}{place}") } else { place.to_owned() };
    let and = if place.contains('?') { '&' } else { '?' };
    let put = http
        .put(format!("{place}{and}digest={}", blob.digest))
        .basic_auth("demo", Some(token.reveal()))
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .body(blob.bytes);
    expect(put, StatusCode::CREATED).await.map(drop)
}

async fn expect(request: RequestBuilder, status: StatusCode) -> Result<reqwest::Response> {
    let response = request.send().await.map_err(|error| Error::internal("push the sample image", error))?;
    if response.status() == status {
        return Ok(response);
    }
    Err(Error::new(Code::Internal, format!("the built-in registry answered {} to a push", response.status())))
}
