//! A registry for tests: honest where it is not told otherwise, and a log of what it was asked.

mod clock;
mod debian;
mod image;
mod skopeo;
mod tests;
mod tls;
mod tokens;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use mirage_core::{Digest, DigestAlgorithm, Reference, RegistryHost};
use tokio::sync::watch;

use super::{RegistryClient, RegistryOptions, RetryOptions};
use crate::hash::digest_of;

pub(crate) use clock::HandClock;
pub(crate) use debian::DebianRegistry;
pub(crate) use image::{IMAGE, INDEX, TestImage, entry};
pub(crate) use skopeo::{push, skopeo, write_layout};
pub(crate) use tokens::TokenService;

/// Largest body of a request, in bytes: a form, a small document.
const MAX_BODY: usize = 1 << 20;

/// A running registry. Dropping it ends it.
pub(crate) struct Script {
    pub(crate) host: RegistryHost,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// How many requests with this method and path there were before.
    pub(crate) nth: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn is_blob(&self, digest: &Digest) -> bool {
        self.method == Method::GET && self.path.ends_with(&format!("/blobs/{digest}"))
    }
}

impl Script {
    /// Starts a registry that answers by this function.
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> Self {
        Self::start_in_waves(&[], answer).await
    }

    /// The same, but nothing is answered before so many requests are there: of the first wave, then of
    /// the second, … Whoever asks for one thing after another that belong into one wave waits in vain.
    pub(crate) async fn start_in_waves(
        waves: &[usize],
        answer: impl Fn(&Seen) -> Response + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string().parse().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let mut ends = waves.to_vec();
        (1..ends.len()).for_each(|at| ends[at] += ends[at - 1]);
        let (log, answer, ends) = (Arc::clone(&seen), Arc::new(answer), Arc::new(ends));
        let arrived = watch::Sender::new(0);
        let app = axum::Router::new().fallback(move |request: Request| {
            let (log, answer, ends) = (Arc::clone(&log), Arc::clone(&answer), Arc::clone(&ends));
            let arrived = arrived.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = axum::body::to_bytes(body, MAX_BODY).await.unwrap();
                let seen = note(&log, &head, body);
                arrived.send_modify(|count| *count += 1);
                let number = *arrived.borrow();
                let end = ends.iter().find(|end| **end >= number).copied().unwrap_or_default();
                let _ = arrived.subscribe().wait_for(|count| *count >= end).await;
                answer(&seen)
            }
        });
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { host, seen, task }
    }

    /// Everything that was asked so far, as `GET manifests/1`.
    pub(crate) fn asked(&self) -> Vec<String> {
        let short = |path: &str| match path.rmatch_indices('/').nth(1) {
            Some((at, _)) => path[at + 1..].to_owned(),
            None => path.to_owned(),
        };
        self.requests().iter().map(|seen| format!("{} {}", seen.method, short(&seen.path))).collect()
    }

    /// Every request so far.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// `acme/web:1` on this registry.
    pub(crate) fn reference(&self, rest: &str) -> Reference {
        format!("{}/{rest}", self.host).parse().unwrap()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn note(log: &Mutex<Vec<Seen>>, head: &Parts, body: Bytes) -> Seen {
    let mut log = log.lock().unwrap();
    let (method, path) = (head.method.clone(), head.uri.path().to_owned());
    let nth = log.iter().filter(|seen| seen.method == method && seen.path == path).count();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let seen = Seen { method, path, query, headers: head.headers.clone(), body, nth };
    log.push(seen.clone());
    seen
}

/// What an honest registry has.
#[derive(Clone, Default)]
pub(crate) struct Shelf {
    manifests: HashMap<String, (&'static str, Bytes)>,
    blobs: HashMap<String, Bytes>,
}

impl Shelf {
    /// Puts a manifest or an index under its digest, and under a tag where one is given.
    pub(crate) fn manifest(&mut self, tag: Option<&str>, media_type: &'static str, bytes: &[u8]) -> Digest {
        let digest = sha256(bytes);
        let bytes = Bytes::copy_from_slice(bytes);
        self.manifests.extend(tag.map(|tag| (tag.to_owned(), (media_type, bytes.clone()))));
        self.manifests.insert(digest.to_string(), (media_type, bytes));
        digest
    }

    /// Answers with a manifest under another name too.
    pub(crate) fn also_known_as(&mut self, digest: &Digest, name: &str) {
        let manifest = self.manifests[&digest.to_string()].clone();
        self.manifests.insert(name.to_owned(), manifest);
    }

    pub(crate) fn blob(&mut self, bytes: &[u8]) -> Digest {
        let digest = sha256(bytes);
        self.blobs.insert(digest.to_string(), Bytes::copy_from_slice(bytes));
        digest
    }

    /// Puts an image with its blobs.
    pub(crate) fn image(&mut self, tag: Option<&str>, image: &TestImage) -> Digest {
        self.blob(&image.config);
        for layer in &image.layers {
            self.blob(layer);
        }
        self.manifest(tag, IMAGE, &image.manifest())
    }

    /// Answers as the distribution specification wants it.
    pub(crate) fn answer(&self, seen: &Seen) -> Response {
        let mut parts = seen.path.rsplitn(3, '/');
        let (item, kind) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        match kind {
            "manifests" => match self.manifests.get(item) {
                Some((media_type, bytes)) => {
                    let digest = sha256(bytes).to_string();
                    ([("content-type", *media_type), ("docker-content-digest", &digest)], bytes.clone())
                        .into_response()
                }
                None => problem(404, "MANIFEST_UNKNOWN"),
            },
            "blobs" => match self.blobs.get(item) {
                Some(bytes) => ranged(seen, bytes),
                None => problem(404, "BLOB_UNKNOWN"),
            },
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

fn ranged(seen: &Seen, bytes: &Bytes) -> Response {
    let start: Option<usize> =
        seen.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    match start {
        Some(start) if start < bytes.len() => {
            let range = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
            (StatusCode::PARTIAL_CONTENT, [("content-range", range)], bytes.slice(start..)).into_response()
        }
        Some(_) => StatusCode::RANGE_NOT_SATISFIABLE.into_response(),
        None => bytes.clone().into_response(),
    }
}

/// A refusal in the form of the distribution specification.
pub(crate) fn problem(status: u16, code: &str) -> Response {
    let body = serde_json::json!({ "errors": [{ "code": code, "message": "no", "detail": null }] });
    (StatusCode::from_u16(status).unwrap(), [("content-type", "application/json")], body.to_string())
        .into_response()
}

/// An answer with a status alone.
pub(crate) fn status(status: u16) -> Response {
    StatusCode::from_u16(status).unwrap().into_response()
}

/// The first bytes of something longer, and then the connection breaks.
pub(crate) fn broken_off(bytes: &Bytes, after: usize) -> Response {
    use futures_util::StreamExt as _;
    let end = stream::once(async {
        // The server writes out what it has before it looks at the body again.
        tokio::task::yield_now().await;
        Err(std::io::Error::other("broken off"))
    });
    let start = stream::iter([Ok(bytes.slice(..after))]).chain(end);
    let mut response = Body::from_stream(start).into_response();
    response.headers_mut().insert("content-length", bytes.len().into());
    response
}

/// The first bytes of something longer, and then nothing for ever.
pub(crate) fn stalled(bytes: &Bytes, after: usize) -> Response {
    use futures_util::StreamExt as _;
    let start = stream::iter([Ok::<_, std::io::Error>(bytes.slice(..after))]).chain(stream::pending());
    let mut response = Body::from_stream(start).into_response();
    response.headers_mut().insert("content-length", bytes.len().into());
    response
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    digest_of(DigestAlgorithm::Sha256, bytes)
}

/// Settings with the patience of a test.
pub(crate) fn options() -> RegistryOptions {
    RegistryOptions {
        stall_timeout: Duration::from_millis(200),
        retry: RetryOptions {
            attempts: 3,
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(5),
        },
        ..RegistryOptions::default()
    }
}

/// A clock that stands still.
pub(crate) fn clock() -> Arc<HandClock> {
    Arc::new(HandClock::at(jiff::Timestamp::from_second(1_790_000_000).unwrap()))
}

/// A client with the patience of a test, and nothing nearby.
pub(crate) fn client() -> RegistryClient {
    RegistryClient::new(options(), 7, clock(), None, None).unwrap()
}
