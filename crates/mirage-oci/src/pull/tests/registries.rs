use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use jiff::Timestamp;
use mirage_core::port::{Clock, HeldRepository, ImageStore, Randomness, Registry, Spared};
use mirage_core::{Attachments, Code, Presence, Reference, RegistryHost};
use serde_json::json;
use tower::ServiceExt;

use super::{Machine, amd64, large_layer, layer};
use crate::client::script::{DebianRegistry, IMAGE, INDEX, TestImage, push};
use crate::client::{Document, OwnRegistry, RemoteImage};
use crate::registry::{Access, Decision, Gate, RegistryState, Repositories, UploadLimits, Uploads, router};

#[tokio::test]
async fn an_image_that_skopeo_pushed_is_pulled_from_debians_registry() {
    let test = "an_image_that_skopeo_pushed_is_pulled_from_debians_registry";
    let Some(mut registry) = DebianRegistry::start(test) else { return };
    let image = TestImage::new("amd64", vec![layer(&[("etc/name", "bottom")]), large_layer(1, 3_000_000)]);
    let machine = Machine::new();
    for (format, tag) in [("oci", "acme/web:oci"), ("v2s2", "acme/other:docker")] {
        let reference = registry.reference(tag);
        push(&image, &reference, &["--format", format, "--dest-compress"]);
        let resolved = machine.resolve(&reference).await;
        assert!(resolved.size_bytes < 3_000_000, "skopeo compresses: {}", resolved.size_bytes);
        machine.pull(&resolved).await.unwrap();
        assert_eq!(machine.read(&resolved, "large-1").await.unwrap().len(), 3_000_000);
        assert_eq!(machine.read(&resolved, "etc/name").await.as_deref(), Some("bottom"));
    }
    let reference = registry.reference("acme/web:oci");
    let known = machine.resolve(&reference).await;
    registry.stop();
    assert!(machine.images.is_present(&known).await);
    let error = machine.client.resolve(&reference, &amd64(), None).await.unwrap_err();
    assert_eq!(error.code(), Code::RegistryUnreachable);
}

#[tokio::test]
async fn a_blob_that_is_damaged_in_the_registry_is_refused() {
    let Some(registry) = DebianRegistry::start("a_blob_that_is_damaged_in_the_registry_is_refused") else {
        return;
    };
    let image = TestImage::new("amd64", vec![large_layer(1, 300_000)]);
    let reference = registry.reference("acme/web:1");
    push(&image, &reference, &[]);
    let machine = Machine::new();
    let resolved = machine.resolve(&reference).await;
    let remote = RemoteImage { reference: &reference, login: None };
    let Ok(Document::Image(manifest)) = machine.client.documents().manifest(remote, &resolved.manifest).await
    else {
        panic!("no manifest")
    };
    registry.damage(&manifest.layers[0].blob.digest);
    let error = machine.pull(&resolved).await.unwrap_err();
    assert_eq!(error.code(), Code::ImagePullError);
    assert!(error.message().contains("sent wrong bytes"), "{}", error.message());
    machine.settled().await;
    assert_eq!(machine.kept_layers(), 0);
}

#[tokio::test]
async fn an_image_in_the_built_in_registry_is_read_from_the_store() {
    let test = "an_image_in_the_built_in_registry_is_read_from_the_store";
    if !std::path::Path::new("/usr/bin/skopeo").exists() {
        eprintln!("skipped: {test}: needs /usr/bin/skopeo");
        return;
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host: RegistryHost = listener.local_addr().unwrap().to_string().parse().unwrap();
    let hosts = [host.clone()].into();
    let machine = Machine::with_own(|store| OwnRegistry {
        hosts,
        repositories: Repositories::open(store.root()).unwrap(),
    });
    let image = TestImage::new("amd64", vec![layer(&[("name", "it")])]);
    let tagged: Reference = format!("{host}/acme/web:1").parse().unwrap();
    push_and_switch_off(&machine, listener, image, tagged.clone()).await;

    // Nobody listens there now: whatever were not read from the store would fail.
    let resolved = machine.resolve(&tagged).await;
    for reference in [tagged.clone(), tagged.pinned(resolved.digest.clone())] {
        let resolved = machine.resolve(&reference).await;
        machine.pull(&resolved).await.unwrap();
        assert_eq!(machine.read(&resolved, "name").await.as_deref(), Some("it"));
    }
    for rest in ["acme/web:2".to_owned(), "acme/other:1".into(), format!("acme/other@{}", resolved.digest)] {
        let reference = format!("{host}/{rest}").parse().unwrap();
        let error = machine.client.resolve(&reference, &amd64(), None).await.unwrap_err();
        assert_eq!(error.code(), Code::ImageNotFound, "{rest}");
    }
    // Whoever looks at the registry sees it, with its size for this platform.
    let held = machine.client.held(&amd64(), None, 10).await.unwrap();
    let HeldRepository { repository, tags, tag_count } = &held[0];
    assert_eq!((held.len(), repository.as_str(), *tag_count), (1, "acme/web", 1));
    let shown = (tags[0].tag.as_str(), &tags[0].digest, tags[0].size_bytes);
    assert_eq!(shown, ("1", &resolved.digest, Some(resolved.size_bytes)));
    assert!(machine.client.held(&amd64(), Some(repository), 10).await.unwrap().is_empty());
    let listed = machine.client.tags(&tagged, None).await.unwrap();
    assert_eq!(listed.tags, [tagged.tag().unwrap().clone()]);
    // Nothing runs it any more, but it is still in the registry.
    machine.images.collect(&[].into()).await.unwrap();
    assert_eq!(machine.kept_layers(), 0);
    machine.pull(&machine.resolve(&tagged).await).await.unwrap();
    // Whoever takes the tag away takes the image: what runs keeps its bytes, and nobody finds it any more.
    let one = machine.client.held_in(&amd64(), repository, None, 10).await.unwrap();
    assert_eq!(one.as_ref(), Some(&held[0]));
    let past = machine.client.held_in(&amd64(), repository, tagged.tag(), 10).await.unwrap().unwrap();
    assert_eq!((past.tags.len(), past.tag_count), (0, 1));
    let spared = Spared { needed: [].into(), pushed_since: Timestamp::MAX };
    let doomed = machine.client.doomed(repository, tagged.tag(), &spared).await.unwrap();
    assert_eq!(doomed, Some(vec![resolved.digest.clone()]));
    assert_eq!(machine.client.remove_held(repository, tagged.tag(), &spared).await.unwrap(), doomed);
    assert_eq!(machine.client.held_in(&amd64(), repository, None, 10).await.unwrap(), None);
    assert_eq!(machine.client.remove_held(repository, None, &spared).await.unwrap(), None);
    machine.images.collect(&[resolved.manifest.clone()].into()).await.unwrap();
    assert!(machine.images.is_present(&resolved).await);
    let error = machine.client.resolve(&tagged, &amd64(), None).await.unwrap_err();
    assert_eq!(error.code(), Code::ImageNotFound);
}

#[tokio::test]
async fn what_hangs_on_an_image_in_the_built_in_registry_is_seen_without_asking_anybody() {
    let test = "what_hangs_on_an_image_in_the_built_in_registry_is_seen_without_asking_anybody";
    if !std::path::Path::new("/usr/bin/skopeo").exists() {
        eprintln!("skipped: {test}: needs /usr/bin/skopeo");
        return;
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host: RegistryHost = listener.local_addr().unwrap().to_string().parse().unwrap();
    let hosts = [host.clone()].into();
    let machine = Machine::with_own(|store| OwnRegistry {
        hosts,
        repositories: Repositories::open(store.root()).unwrap(),
    });
    let reference: Reference = format!("{host}/acme/web:1").parse().unwrap();
    let image = TestImage::new("amd64", vec![layer(&[("name", "it")])]);
    push_and_switch_off(&machine, listener, image, reference.clone()).await;
    let look = async || machine.client.inspect(&reference, &amd64(), None).await.unwrap();

    let bare = look().await;
    let nothing =
        Attachments { signature: Presence::Absent, sbom: Presence::Absent, provenance: Presence::Absent };
    assert_eq!((bare.attachments, bare.quota), (nothing, None));
    let digest = bare.image.digest;
    let subject = json!({ "mediaType": IMAGE, "digest": digest, "size": 1 });
    let signature = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [], "subject": subject,
        "artifactType": "application/vnd.cncf.notary.signature" });
    put(&machine, "signature", &signature).await;
    let parts = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] });
    put(&machine, &format!("sha256-{}.sbom", digest.hex()), &parts).await;
    let seen = look().await.attachments;
    assert_eq!((seen.signature, seen.sbom), (Presence::Present, Presence::Present));
    assert_eq!(seen.provenance, Presence::Absent);
}

#[tokio::test]
async fn an_image_of_another_registry_is_read_through_the_built_in_one_and_stays() {
    let test = "an_image_of_another_registry_is_read_through_the_built_in_one_and_stays";
    let Some(mut origin) = DebianRegistry::start(test) else { return };
    let image = TestImage::new("amd64", vec![layer(&[("name", "it")]), large_layer(1, 300_000)]);
    push(&image, &origin.reference("acme/web:1"), &[]);
    let machine = Machine::with_own(|store| OwnRegistry {
        // Nobody listens there: what were not read from the store would fail.
        hosts: ["mirage.example".parse().unwrap()].into(),
        repositories: Repositories::open(store.root()).unwrap(),
    });
    let place = format!("mirage.example/{}/acme/web", origin.host.as_str().replace(':', "_"));
    let tagged: Reference = format!("{place}:1").parse().unwrap();
    let resolved = machine.resolve(&tagged).await;
    assert_eq!(resolved.reference, tagged);
    machine.pull(&resolved).await.unwrap();
    assert_eq!(machine.read(&resolved, "name").await.as_deref(), Some("it"));

    origin.stop();
    // Nothing runs it any more: the layers go, and come back from what the registry keeps.
    machine.images.collect(&[].into()).await.unwrap();
    assert_eq!(machine.kept_layers(), 0);
    for reference in [tagged.clone(), tagged.pinned(resolved.digest.clone())] {
        let again = machine.resolve(&reference).await;
        assert_eq!(again.digest, resolved.digest);
        machine.pull(&again).await.unwrap();
        assert_eq!(machine.read(&again, "large-1").await.unwrap().len(), 300_000);
    }
    let error =
        machine.client.resolve(&format!("{place}:2").parse().unwrap(), &amd64(), None).await.unwrap_err();
    assert_eq!(error.code(), Code::RegistryUnreachable);
    assert!(error.message().contains(origin.host.as_str()), "{error:?}");
    machine.settled().await;
}

/// Puts an index into `acme/web` of the built-in registry.
async fn put(machine: &Machine, tag: &str, index: &serde_json::Value) {
    let request = Request::put(format!("/v2/acme/web/manifests/{tag}"))
        .header("content-type", INDEX)
        .body(Body::from(index.to_string()))
        .unwrap();
    let response = own_router(machine).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 201);
}

fn own_router(machine: &Machine) -> axum::Router {
    router(RegistryState {
        store: machine.store.clone(),
        repositories: machine.client.documents().own.clone().unwrap().repositories,
        gate: Arc::new(Open),
        uploads: Uploads::new(UploadLimits::default(), Arc::new(Still), Arc::new(Still)),
        on_push: None,
        through: None,
    })
}

/// Pushes over the real protocol, into a registry that is gone afterwards.
async fn push_and_switch_off(
    machine: &Machine,
    listener: tokio::net::TcpListener,
    image: TestImage,
    to: Reference,
) {
    let app = own_router(machine);
    let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    tokio::task::spawn_blocking(move || push(&image, &to, &[])).await.unwrap();
    serving.abort();
    let _ = serving.await;
}

/// A moment that does not pass, and numbers that are no surprise.
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

impl Randomness for Still {
    fn bytes32(&self) -> [u8; 32] {
        static COUNT: AtomicU8 = AtomicU8::new(0);
        [COUNT.fetch_add(1, Ordering::Relaxed); 32]
    }
}

/// Lets everybody do everything.
struct Open;

#[async_trait::async_trait]
impl Gate for Open {
    async fn decide(&self, _: &HeaderMap, _: &Access) -> Decision {
        Decision::Allow
    }
}
