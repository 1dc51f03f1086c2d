//! Other registries, read through this one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use mirage_core::{CredentialOwner, Digest, Login, Reference, Result};
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::super::Logins;
use super::bench::{Bench, basic, sha256};
use crate::client::script::{
    DebianRegistry, Script, Shelf, TestImage, clock, options, problem, push, skopeo,
};
use crate::client::{OwnRegistry, RegistryClient};

/// A registry that reads others through.
fn bench() -> Bench {
    let mut bench = Bench::new();
    let own = OwnRegistry {
        hosts: ["cache.test:7070".parse().unwrap()].into(),
        repositories: bench.state.repositories.clone(),
    };
    let store = bench.state.store.clone();
    let client = RegistryClient::new(options(), 7, clock(), Some(store), Some(own)).unwrap();
    bench.state.through = client.pull_through();
    bench
}

/// `acme/web` of another registry, as it is called here.
fn here(host: &mirage_core::RegistryHost) -> String {
    format!("{}/acme/web", host.as_str().replace(':', "_"))
}

fn image() -> TestImage {
    let layer = (0..300_000_u64).map(|at| (at * at / 7) as u8).collect();
    TestImage::new("amd64", vec![layer])
}

fn collect_garbage(bench: &Bench) {
    bench
        .state
        .repositories
        .while_settled(|held| {
            let keep = held.manifests.union(&held.blobs).cloned().collect();
            bench.state.store.collect(&keep, &[].into())
        })
        .unwrap()
        .unwrap();
}

/// Sends a request as `all`, and leaves the body of the answer where it is.
async fn begin(bench: &Bench, path: &str) -> Response {
    let request = Request::get(path).header(header::AUTHORIZATION, basic("all")).body(Body::empty()).unwrap();
    bench.router().oneshot(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_pulled_through_once_is_there_with_its_registry_gone() {
    let test = "what_was_pulled_through_once_is_there_with_its_registry_gone";
    let Some(mut origin) = DebianRegistry::start(test) else { return };
    let image = image();
    push(&image, &origin.reference("acme/web:1"), &[]);
    push(&image, &origin.reference("acme/web:2"), &[]);
    let bench = bench();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().to_string();
    let app = bench.router();
    let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let name = here(&origin.host);
    let pull = async |tag: &str, into: &str| {
        let from = format!("docker://{own}/{name}:{tag}");
        let into = format!("dir:{}", bench.folder.path().join(into).display());
        let words = ["copy", "--src-tls-verify=false", "--src-creds=all:secret"].map(str::to_owned);
        let words: Vec<String> = words.into_iter().chain([from, into]).collect();
        let run = move || skopeo(&words.iter().map(String::as_str).collect::<Vec<_>>());
        tokio::task::spawn_blocking(run).await.unwrap()
    };
    let files = |folder: &str| {
        let entries = std::fs::read_dir(bench.folder.path().join(folder)).unwrap();
        let file =
            |path: std::path::PathBuf| (path.file_name().unwrap().to_owned(), std::fs::read(path).unwrap());
        entries.map(|entry| file(entry.unwrap().path())).collect::<BTreeMap<_, _>>()
    };
    pull("1", "first").await.unwrap();
    origin.stop();
    collect_garbage(&bench);
    pull("1", "second").await.unwrap();
    // Manifest, configuration, layer, and skopeo's note of the version.
    assert_eq!((files("first").len(), files("second")), (4, files("first")));

    let known = bench.get(&format!("/v2/{name}/manifests/1")).await;
    let warning = format!("299 - \"{} does not answer: ", origin.host);
    assert!(known.header("warning").starts_with(&warning), "{known:?}");
    assert_eq!(known.header("docker-content-digest"), sha256(&known.body).to_string());
    // Another tag is not guessed, though its bytes would be here.
    assert!(pull("2", "third").await.is_err());
    let unknown = bench.get(&format!("/v2/{name}/manifests/2")).await;
    assert_eq!(unknown.fault(), "502 UNKNOWN");
    assert!(unknown.json()["errors"][0]["message"].as_str().unwrap().contains(origin.host.as_str()));
    assert_eq!(bench.get(&format!("/v2/{name}/tags/list")).await.json()["tags"], serde_json::json!(["1"]));

    // What is kept can be taken away like everything else.
    let manifest = format!("/v2/{name}/manifests/{}", known.header("docker-content-digest"));
    assert_eq!(bench.send(Method::DELETE, &manifest, "").await.status, StatusCode::ACCEPTED);
    assert_eq!(bench.get(&format!("/v2/{name}/manifests/1")).await.fault(), "502 UNKNOWN");
    assert_eq!(bench.unfinished_files(), 0);
    serving.abort();
}

#[tokio::test]
async fn nothing_is_pushed_into_a_repository_of_another_registry() {
    let bench = bench();
    let digest = sha256(b"x");
    for (method, path) in [
        (Method::POST, "/v2/docker.io/acme/web/blobs/uploads/".to_owned()),
        (Method::POST, format!("/v2/docker.io/acme/web/blobs/uploads/?digest={digest}")),
        (Method::PUT, "/v2/docker.io/acme/web/manifests/1".to_owned()),
        (Method::PUT, format!("/v2/localhost_5000/web/manifests/{digest}")),
    ] {
        assert_eq!(bench.send(method, &path, "x").await.fault(), "405 UNSUPPORTED", "{path}");
    }
    // A registry is no origin of itself: what is private in it would be readable under another name.
    let own = bench.blob("cache.test_7070/web", b"x").await;
    assert_eq!(bench.get(&format!("/v2/cache.test_7070/web/blobs/{own}")).await.body, b"x");
    assert_eq!(
        bench.get(&format!("/v2/cache.test_7070/other/blobs/{own}")).await.fault(),
        "404 BLOB_UNKNOWN"
    );
}

/// A registry with one image, whose answers have this status instead, once it is not 0.
async fn moody() -> (Script, Arc<AtomicU16>) {
    let mut shelf = Shelf::default();
    shelf.image(Some("1"), &image());
    let mood = Arc::new(AtomicU16::new(0));
    let now = Arc::clone(&mood);
    let script = Script::start(move |seen| match now.load(Ordering::Relaxed) {
        0 => shelf.answer(seen),
        429 => problem(429, "TOOMANYREQUESTS"),
        401 => problem(401, "UNAUTHORIZED"),
        404 => problem(404, "MANIFEST_UNKNOWN"),
        status => problem(status, "UNKNOWN"),
    })
    .await;
    (script, mood)
}

#[tokio::test]
async fn a_tag_is_answered_from_what_is_kept_while_its_registry_cannot_be_asked() {
    for (status, fault, why) in
        [(429, "429 TOOMANYREQUESTS", "asks to slow down"), (503, "502 UNKNOWN", "does not answer")]
    {
        let (bench, (origin, mood)) = (bench(), moody().await);
        let name = here(&origin.host);
        let fresh = bench.get(&format!("/v2/{name}/manifests/1")).await;
        assert_eq!((fresh.status, fresh.header("warning")), (StatusCode::OK, ""));
        mood.store(status, Ordering::Relaxed);
        let kept = bench.get(&format!("/v2/{name}/manifests/1")).await;
        assert_eq!((kept.status, &kept.body), (StatusCode::OK, &fresh.body));
        assert!(kept.header("warning").contains(why), "{kept:?}");
        assert_eq!(bench.get(&format!("/v2/{name}/manifests/2")).await.fault(), fault);
        // It is left alone for a while, as far as something is kept.
        let asked = origin.asked().len();
        assert_eq!(bench.get(&format!("/v2/{name}/manifests/1")).await.body, fresh.body);
        assert_eq!(origin.asked().len(), asked);
    }
}

#[tokio::test]
async fn what_is_gone_or_closed_at_its_registry_is_so_here() {
    let (bench, (origin, mood)) = (bench(), moody().await);
    let tag = format!("/v2/{}/manifests/1", here(&origin.host));
    let digest = bench.get(&tag).await.header("docker-content-digest").to_owned();
    mood.store(401, Ordering::Relaxed);
    assert_eq!(bench.get(&tag).await.fault(), "403 DENIED");
    mood.store(404, Ordering::Relaxed);
    assert_eq!(bench.get(&tag).await.fault(), "404 MANIFEST_UNKNOWN");
    // The tag is forgotten; whoever has the digest still gets it.
    mood.store(503, Ordering::Relaxed);
    assert_eq!(bench.get(&tag).await.fault(), "502 UNKNOWN");
    let kept = format!("/v2/{}/manifests/{digest}", here(&origin.host));
    assert_eq!(bench.get(&kept).await.status, StatusCode::OK);
    mood.store(0, Ordering::Relaxed);
    assert_eq!(bench.get(&tag).await.status, StatusCode::OK);
}

#[tokio::test]
async fn two_who_want_a_blob_cause_one_transfer_and_one_may_leave() {
    let layer = Bytes::from(image().layers.remove(0));
    let gate = watch::Sender::new(false);
    let (opened, bytes) = (gate.clone(), layer.clone());
    let mut shelf = Shelf::default();
    shelf.image(Some("1"), &image());
    // The layer comes by halves, the second when the test says so.
    let origin = Script::start(move |seen| match seen.is_blob(&sha256(&bytes)) {
        true => {
            let mut open = opened.subscribe();
            let rest = bytes.slice(100_000..);
            let rest = async move {
                open.wait_for(|open| *open).await.unwrap();
                Ok::<_, std::io::Error>(rest)
            };
            let first = stream::iter([Ok(bytes.slice(..100_000))]);
            let mut response = Body::from_stream(first.chain(stream::once(rest))).into_response();
            response.headers_mut().insert("content-length", bytes.len().into());
            response
        }
        false => shelf.answer(seen),
    })
    .await;
    let bench = bench();
    let name = here(&origin.host);
    bench.get(&format!("/v2/{name}/manifests/1")).await;
    let path = format!("/v2/{name}/blobs/{}", sha256(&layer));
    let (first, mut leaving) = tokio::join!(begin(&bench, &path), begin(&bench, &path));
    assert_eq!(leaving.headers()["content-length"], "300000");
    assert!(!leaving.body_mut().frame().await.unwrap().unwrap().into_data().unwrap().is_empty());
    drop(leaving);
    let part = tokio::join!(bench.send_with(Method::GET, &path, &[("range", "bytes=299990-")], ""), async {
        gate.send_replace(true)
    });
    assert_eq!((part.0.status, part.0.body.as_slice()), (StatusCode::PARTIAL_CONTENT, &layer[299_990..]));
    assert_eq!(first.into_body().collect().await.unwrap().to_bytes(), layer);
    assert_eq!(bench.get(&path).await.body, layer);
    assert_eq!(origin.requests().iter().filter(|seen| seen.is_blob(&sha256(&layer))).count(), 1);
    assert_eq!(bench.unfinished_files(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_alone_leaves_a_blob_that_comes_all_the_same() {
    let (bench, (origin, _)) = (bench(), moody().await);
    let name = here(&origin.host);
    bench.get(&format!("/v2/{name}/manifests/1")).await;
    let digest = sha256(&image().layers[0]);
    let path = format!("/v2/{name}/blobs/{digest}");
    drop(begin(&bench, &path).await);
    assert_eq!(bench.get(&path).await.body, image().layers[0]);
    assert_eq!(origin.requests().iter().filter(|seen| seen.is_blob(&digest)).count(), 1);
}

#[tokio::test]
async fn wrong_bytes_are_neither_kept_nor_handed_out_as_the_whole() {
    let good = image().layers.remove(0);
    let wanted = sha256(&good);
    let mut shelf = Shelf::default();
    shelf.image(Some("1"), &image());
    let origin = Script::start(move |seen| match seen.is_blob(&wanted) && seen.nth == 0 {
        true => vec![b'x'; good.len()].into_response(),
        false => shelf.answer(seen),
    })
    .await;
    let bench = bench();
    let name = here(&origin.host);
    bench.get(&format!("/v2/{name}/manifests/1")).await;
    let path = format!("/v2/{name}/blobs/{}", sha256(&image().layers[0]));
    let mut response = begin(&bench, &path).await;
    let (mut seen, mut broken) = (0, false);
    while let Some(frame) = response.body_mut().frame().await {
        match frame {
            Ok(frame) => seen += frame.into_data().unwrap().len(),
            Err(_) => {
                broken = true;
                break;
            }
        }
    }
    assert!(broken && seen < 300_000, "{seen}");
    assert!(!bench.state.store.has_blob(&sha256(&image().layers[0])));
    assert_eq!(bench.get(&path).await.body, image().layers[0], "the next one has better luck");
}

#[tokio::test]
async fn a_blob_that_is_here_for_others_is_not_moved_but_asked_for() {
    let (bench, (origin, mood)) = (bench(), moody().await);
    let layer = image().layers.remove(0);
    let digest = bench.blob("acme/base", &layer).await;
    let path = format!("/v2/{}/blobs/{digest}", here(&origin.host));
    mood.store(401, Ordering::Relaxed);
    assert_eq!(bench.get(&path).await.fault(), "403 DENIED", "what others pushed is not read by this way");
    mood.store(0, Ordering::Relaxed);
    assert_eq!(bench.get(&path).await.body, layer);
    assert_eq!(origin.requests().iter().filter(|seen| seen.is_blob(&digest)).count(), 0);
}

/// Answers with one login, whatever is asked for, and notes what that was.
struct OneLogin(Login, Mutex<Vec<String>>);

#[async_trait::async_trait]
impl Logins for OneLogin {
    async fn login(&self, image: &Reference) -> Result<Option<Login>> {
        self.1.lock().unwrap().push(format!("{}/{}", image.host(), image.repository()));
        Ok(Some(self.0.clone()))
    }
}

#[tokio::test]
async fn the_login_of_the_platform_goes_to_its_registry_and_to_no_other() {
    let closed = async || {
        let mut shelf = Shelf::default();
        shelf.image(Some("1"), &image());
        Script::start(move |seen| match seen.header("authorization") {
            Some(_) => shelf.answer(seen),
            None => {
                let mut refused = problem(401, "UNAUTHORIZED");
                refused.headers_mut().insert("www-authenticate", "Basic realm=\"closed\"".parse().unwrap());
                refused
            }
        })
        .await
    };
    let (bench, origin, other) = (bench(), closed().await, closed().await);
    let owner = CredentialOwner { host: origin.host.clone(), username: "alice".into() };
    let login = Login { owner, password: "open sesame".to_owned().into() };
    let logins = Arc::new(OneLogin(login, Mutex::default()));
    let through = bench.state.through.clone().unwrap();
    through.set_logins(Some(logins.clone()));
    let manifest = bench.get(&format!("/v2/{}/manifests/1", here(&origin.host))).await;
    let digest: Digest = manifest.header("docker-content-digest").parse().unwrap();
    assert_eq!(digest, sha256(&image().manifest()));
    assert_eq!(logins.1.lock().unwrap()[0], format!("{}/acme/web", origin.host));
    assert_eq!(bench.get(&format!("/v2/{}/manifests/1", here(&other.host))).await.fault(), "403 DENIED");
    assert!(other.requests().iter().all(|seen| seen.header("authorization").is_none()));
    // Whoever may not pull here is refused before anybody is asked.
    let asked = origin.asked().len();
    let path = format!("/v2/{}/manifests/1", here(&origin.host));
    let reader = basic("reader");
    let refused = bench.send_with(Method::GET, &path, &[("authorization", &reader)], "").await;
    assert_eq!((refused.fault().as_str(), origin.asked().len()), ("403 DENIED", asked));
}
