//! `/v2/<name>/referrers/<digest>`: the manifests whose subject is this one, as an index.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, header};
use mirage_core::{Digest, Repository};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::fault::Fault;
use super::listing::with_next;
use super::manifest::{self, Manifest, Referrer};
use super::{Call, RegistryState, on_disk, path};

const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// The most manifests that are looked at for one answer; the rest follows by the `Link` header.
const MAX_PAGE: usize = 500;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Query {
    artifact_type: Option<String>,
    last: Option<String>,
}

/// `GET`: an index, empty where nobody refers to the subject, whether or not that exists.
pub(super) async fn list(call: Call, repository: Repository, subject: Digest) -> Result<Response, Fault> {
    let query: Query = call.query()?;
    let last = query.last.as_deref().map(path::digest).transpose()?;
    let (state, name, about) = (call.state, repository.clone(), subject.clone());
    let wanted = query.artifact_type.clone();
    let page = on_disk(move || Page::read(&state, &name, &about, wanted.as_deref(), last.as_ref())).await?;
    let body = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{}]}}"#,
        manifest::OCI_INDEX,
        page.lines.join(",")
    );
    let mut response = ([(header::CONTENT_TYPE, manifest::OCI_INDEX)], body).into_response();
    let mut filter = String::new();
    if let Some(wanted) = query.artifact_type {
        response.headers_mut().insert(FILTERS_APPLIED, http::HeaderValue::from_static("artifactType"));
        filter = format!("&artifactType={}", utf8_percent_encode(&wanted, NON_ALPHANUMERIC));
    }
    let next = page.stopped_at.map(|last| format!("last={last}{filter}"));
    with_next(response, &format!("/v2/{repository}/referrers/{subject}"), next)
}

/// A part of the answer that is no larger than a manifest may be.
#[derive(Default)]
struct Page {
    lines: Vec<String>,
    stopped_at: Option<Digest>,
}

impl Page {
    fn read(
        state: &RegistryState,
        repository: &Repository,
        subject: &Digest,
        artifact_type: Option<&str>,
        last: Option<&Digest>,
    ) -> Result<Self, Fault> {
        let all = state.repositories.referrers(repository, subject)?;
        let start = last.map_or(0, |last| all.partition_point(|digest| digest <= last));
        let mut page = Self::default();
        let mut bytes = 0;
        let mut seen: Option<&Digest> = None;
        for (count, digest) in all[start..].iter().enumerate() {
            let line = line(state, repository, digest, artifact_type)?.unwrap_or_default();
            bytes += line.len() as u64;
            // The first line always fits, or a large one would stop the listing for ever.
            if let Some(seen) = seen
                && (count == MAX_PAGE || bytes > manifest::MAX_BYTES)
            {
                page.stopped_at = Some(seen.clone());
                return Ok(page);
            }
            if !line.is_empty() {
                page.lines.push(line);
            }
            seen = Some(digest);
        }
        Ok(page)
    }
}

/// One manifest as a descriptor, where it is of the wanted kind.
fn line(
    state: &RegistryState,
    repository: &Repository,
    digest: &Digest,
    artifact_type: Option<&str>,
) -> Result<Option<String>, Fault> {
    // A way back whose manifest was never finished, or is gone.
    let Some(media_type) = state.repositories.media_type(repository, digest)? else { return Ok(None) };
    let Some(bytes) = state.store.blob(digest, manifest::MAX_BYTES)? else { return Ok(None) };
    let Ok(read) = Manifest::read(&bytes, Some(&media_type)) else { return Ok(None) };
    if artifact_type.is_some_and(|wanted| read.artifact_type.as_deref() != Some(wanted)) {
        return Ok(None);
    }
    let referrer: Referrer = read.into_referrer(digest.clone(), bytes.len() as u64);
    serde_json::to_string(&referrer)
        .map(Some)
        .map_err(|cause| mirage_core::Error::internal("list referrers", cause).into())
}
