//! Pushing: blobs that are missing, then manifests.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use mirage_core::{Code, Digest, Error, Repository, Result, Tag};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode, Url};

use super::{Content, PlatformRegistry, Request};
use crate::client::fault::Fault;

impl PlatformRegistry {
    /// Whether a repository has a blob.
    ///
    /// # Errors
    /// What the registry answers, or that it does not.
    pub async fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool> {
        let mut tries = self.tries();
        loop {
            let item = format!("blobs/{digest}");
            let fault = match self.call(Method::HEAD, repository, &item, &[StatusCode::OK]).await {
                Ok(_) => return Ok(true),
                Err(Fault::Refused(refusal)) if refusal.status == StatusCode::NOT_FOUND => return Ok(false),
                Err(fault) => fault,
            };
            tries.pause_after(fault, false).await.map_err(|fault| self.report(fault, "ask for a blob"))?;
        }
    }

    /// Brings a blob into a repository. Where `from` is another repository that has it, the registry is
    /// asked to take it from there; `sent` counts the bytes that leave.
    ///
    /// # Errors
    /// What the registry answers, or that it does not. `IMAGE_PULL_ERROR` where the content is not what
    /// `digest` says.
    pub async fn put_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        content: &Content,
        from: Option<&Repository>,
        sent: &Arc<AtomicU64>,
    ) -> Result<()> {
        let mut tries = self.tries();
        loop {
            let fault = match self.upload(repository, digest, content, from, sent).await {
                Ok(()) => return Ok(()),
                Err(fault) => fault,
            };
            let paused = tries.pause_after(fault, false).await;
            paused.map_err(|fault| self.report(fault, &format!("push the blob `{}`", digest.short())))?;
        }
    }

    /// Brings a manifest or an index into a repository, under a tag where one is given, else by digest.
    ///
    /// # Errors
    /// As [`Self::put_blob`].
    pub async fn put_manifest(
        &self,
        repository: &Repository,
        tag: Option<&Tag>,
        digest: &Digest,
        media_type: &'static str,
        bytes: Bytes,
    ) -> Result<()> {
        let name = tag.map_or_else(|| digest.to_string(), ToString::to_string);
        let mut tries = self.tries();
        loop {
            let request = async {
                let url = self.address(repository, &format!("manifests/{name}"))?;
                let sent = Arc::default();
                let content = Content::Bytes(bytes.clone());
                let headers = headers(media_type, bytes.len() as u64);
                let body = Some((&content, &sent));
                self.ask(Request { method: Method::PUT, url, headers, body }, &[StatusCode::CREATED]).await
            };
            let fault = match request.await {
                Ok(response) => return check_stored(&response, digest),
                Err(fault) => fault,
            };
            let paused = tries.pause_after(fault, false).await;
            paused.map_err(|fault| self.report(fault, &format!("push the manifest `{name}`")))?;
        }
    }

    async fn upload(
        &self,
        repository: &Repository,
        digest: &Digest,
        content: &Content,
        from: Option<&Repository>,
        sent: &Arc<AtomicU64>,
    ) -> Result<(), Fault> {
        let mount = from.map(|from| format!("?mount={digest}&from={from}")).unwrap_or_default();
        let item = format!("blobs/uploads/{mount}");
        let begun =
            self.call(Method::POST, repository, &item, &[StatusCode::ACCEPTED, StatusCode::CREATED]).await?;
        if begun.status() == StatusCode::CREATED {
            return Ok(());
        }
        let mut url = self.place(&begun)?;
        url.query_pairs_mut().append_pair("digest", &digest.to_string());
        let headers = headers("application/octet-stream", content.size());
        let body = Some((content, sent));
        let request = Request { method: Method::PUT, url, headers, body };
        self.ask(request, &[StatusCode::CREATED]).await.map(drop)
    }

    /// Where an upload goes on. The token goes to the platform alone, so nowhere else.
    fn place(&self, begun: &Response) -> Result<Url, Fault> {
        let place = begun.headers().get(LOCATION).and_then(|place| place.to_str().ok());
        let place = place.ok_or(Fault::Redirect("it names no address for the upload"))?;
        let url = begun.url().join(place).map_err(|_| Fault::Redirect("its address is not valid"))?;
        match url.origin() == self.base.origin() {
            true => Ok(url),
            false => Err(Fault::Redirect("it leads to another registry")),
        }
    }

    async fn call(
        &self,
        method: Method,
        repository: &Repository,
        item: &str,
        expected: &[StatusCode],
    ) -> Result<Response, Fault> {
        let url = self.address(repository, item)?;
        self.ask(Request { method, url, headers: HeaderMap::new(), body: None }, expected).await
    }
}

fn headers(media_type: &'static str, length: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_LENGTH, length.into());
    headers
}

/// A registry that keeps something else than it was sent is not to be trusted with a tag.
fn check_stored(response: &Response, digest: &Digest) -> Result<()> {
    let told = response.headers().get("docker-content-digest").and_then(|value| value.to_str().ok());
    let told = told.and_then(|told| told.parse::<Digest>().ok());
    match told {
        Some(told) if told.algorithm() == digest.algorithm() && told != *digest => Err(Error::new(
            Code::ImagePullError,
            format!("the registry keeps `{told}` where `{digest}` was pushed"),
        )
        .hint("something between here and the registry changes what is sent")),
        _ => Ok(()),
    }
}
