//! A registry in a folder that goes away, and short ways to talk to it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use base64::Engine;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use mirage_core::port::Randomness;
use mirage_core::{Digest, DigestAlgorithm};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::super::{
    Access, Action, Decision, Gate, RegistryState, Repositories, UploadLimits, Uploads, router,
};
use crate::client::script::HandClock;
use crate::content::{ContentStore, StoreConfig};
use crate::hash::digest_of;

pub(crate) const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

struct Counting(Mutex<u8>);

impl Randomness for Counting {
    fn bytes32(&self) -> [u8; 32] {
        let mut number = self.0.lock().unwrap();
        *number += 1;
        [*number; 32]
    }
}

/// Knows `all` and `mirage`, who may do everything, `reader`, who may read `public/…`, and `pusher`, who may
/// read and write `public/…`.
struct FewUsers;

#[async_trait]
impl Gate for FewUsers {
    async fn decide(&self, headers: &HeaderMap, access: &Access) -> Decision {
        let credentials =
            headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or("");
        match (credentials, access) {
            (_, _) if credentials == basic("all") || credentials == basic("mirage") => Decision::Allow,
            (_, Access::Base) if credentials == basic("reader") => Decision::Allow,
            (_, Access::Repository(name, Action::Pull)) if credentials == basic("reader") => {
                if name.as_str().starts_with("public/") { Decision::Allow } else { Decision::Denied }
            }
            (_, Access::Repository(name, _)) if credentials == basic("pusher") => {
                if name.as_str().starts_with("public/") { Decision::Allow } else { Decision::Denied }
            }
            _ if credentials == basic("reader") || credentials == basic("pusher") => Decision::Denied,
            _ => Decision::Unauthenticated,
        }
    }
}

pub(crate) fn basic(user: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:secret")))
}

pub(crate) struct Bench {
    pub(crate) state: RegistryState,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) pushed: Arc<Mutex<Vec<String>>>,
    pub(crate) folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with_limits(UploadLimits { sessions: 3, blob_bytes: 64 << 20, idle: Duration::from_secs(3600) })
    }

    pub(crate) fn with_limits(limits: UploadLimits) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), limits)
    }

    pub(crate) fn in_folder(folder: tempfile::TempDir, limits: UploadLimits) -> Self {
        let root = folder.path().join("content");
        let store = ContentStore::open(StoreConfig {
            root: root.clone(),
            run: folder.path().join("run"),
            layer_format: None,
        })
        .unwrap();
        let clock = Arc::new(HandClock::at("2026-11-21T00:00:00Z".parse().unwrap()));
        let pushed: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = pushed.clone();
        let state = RegistryState {
            store,
            repositories: Repositories::open(&root).unwrap(),
            gate: Arc::new(FewUsers),
            uploads: Uploads::new(limits, clock.clone(), Arc::new(Counting(Mutex::new(0)))),
            on_push: Some(Arc::new(move |repository, tag, digest| {
                heard.lock().unwrap().push(format!("{repository}:{tag}@{digest}"));
            })),
            through: None,
        };
        Self { state, clock, pushed, folder }
    }

    pub(crate) fn router(&self) -> Router {
        router(self.state.clone())
    }

    /// Sends a request as `all`.
    pub(crate) async fn send(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        self.send_with(method, path, &[], body).await
    }

    /// The same with headers; an `authorization` among them replaces that of `all`.
    pub(crate) async fn send_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).body(body.into()).unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, basic("all").parse().unwrap());
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let response = self.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "").await
    }

    /// Uploads a blob in one request.
    pub(crate) async fn blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = sha256(bytes);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        let answer = self.send(Method::POST, &path, bytes.to_vec()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        digest
    }

    /// Starts an upload; answers with its address.
    pub(crate) async fn start(&self, repository: &str) -> String {
        let answer = self.send(Method::POST, &format!("/v2/{repository}/blobs/uploads/"), "").await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        answer.header("location").to_owned()
    }

    /// Pushes an image of one layer; answers with the manifest's digest.
    pub(crate) async fn image(&self, repository: &str, reference: &str, layer: &[u8]) -> Digest {
        let manifest = self.image_manifest(repository, layer, json!({})).await;
        self.manifest(repository, reference, OCI_IMAGE, &manifest).await
    }

    /// Uploads the blobs of an image; answers with the manifest to push, `extra` mixed in.
    pub(crate) async fn image_manifest(&self, repository: &str, layer: &[u8], extra: Value) -> Value {
        let config = self.blob(repository, b"{}").await;
        let layer_digest = self.blob(repository, layer).await;
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_IMAGE,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2},
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": layer_digest,
                "size": layer.len(),
            }],
        });
        for (key, value) in extra.as_object().unwrap() {
            manifest[key] = value.clone();
        }
        manifest
    }

    pub(crate) async fn manifest(
        &self,
        repository: &str,
        reference: &str,
        kind: &str,
        json: &Value,
    ) -> Digest {
        let answer = self.put_manifest(repository, reference, kind, json).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.header("docker-content-digest").parse().unwrap()
    }

    pub(crate) async fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        kind: &str,
        json: &Value,
    ) -> Answer {
        let path = format!("/v2/{repository}/manifests/{reference}");
        self.send_with(Method::PUT, &path, &[("content-type", kind)], json.to_string()).await
    }

    /// When a blob came into a repository, by the clock of the disk.
    pub(crate) fn pushed_at(&self, repository: &str, blob: &Digest) -> jiff::Timestamp {
        let file = self.state.repositories.blob_file(&repository.parse().unwrap(), blob);
        jiff::Timestamp::try_from(std::fs::metadata(file).unwrap().modified().unwrap()).unwrap()
    }

    /// How many files are left of uploads in progress.
    pub(crate) fn unfinished_files(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("content/tmp")).unwrap().count()
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Status and code of a refusal: `404 BLOB_UNKNOWN`. Its shape is checked on the way.
    pub(crate) fn fault(&self) -> String {
        assert_eq!(self.header("content-type"), "application/json");
        let json = self.json();
        let one = &json["errors"][0];
        assert!(one["message"].as_str().is_some_and(|message| !message.is_empty()), "{json}");
        format!("{} {}", self.status.as_u16(), one["code"].as_str().unwrap())
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    digest_of(DigestAlgorithm::Sha256, bytes)
}

/// A registry on a port of its own, for programs that are not part of the test.
pub(crate) struct Served {
    pub(crate) bench: Bench,
    pub(crate) host: String,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Served {
    pub(crate) async fn new() -> Self {
        let limits = UploadLimits { sessions: 8, blob_bytes: 64 << 20, idle: Duration::from_secs(3600) };
        Self::of(Bench::with_limits(limits)).await
    }

    pub(crate) async fn of(bench: Bench) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(axum::serve(listener, bench.router()).into_future());
        Self { bench, host, server }
    }

    pub(crate) fn folder(&self, name: &str) -> std::path::PathBuf {
        self.bench.folder.path().join(name)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
    }
}
