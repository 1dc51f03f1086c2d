use http::{Method, StatusCode};
use mirage_core::{Digest, DigestAlgorithm};
use serde_json::{Value, json};

use super::bench::{Bench, OCI_IMAGE, OCI_INDEX, sha256};
use crate::hash::digest_of;

#[tokio::test]
async fn whatever_has_a_tag_can_be_pulled() {
    let bench = Bench::new();
    let absent = sha256(b"absent");
    let mut manifest = bench.image_manifest("web", b"layer", json!({})).await;
    manifest["layers"].as_array_mut().unwrap().push(json!({"mediaType": "a/b", "digest": absent, "size": 6}));
    let refused = bench.put_manifest("web", "1", OCI_IMAGE, &manifest).await;
    assert_eq!(refused.fault(), "400 MANIFEST_BLOB_UNKNOWN");
    assert_eq!(refused.json()["errors"][0]["detail"]["digests"], json!([absent]));
    assert_eq!(bench.get("/v2/web/manifests/1").await.fault(), "404 MANIFEST_UNKNOWN");

    let index =
        json!({"schemaVersion": 2, "manifests": [{"mediaType": OCI_IMAGE, "digest": absent, "size": 6}]});
    assert_eq!(bench.put_manifest("web", "1", OCI_INDEX, &index).await.fault(), "400 MANIFEST_BLOB_UNKNOWN");
    assert!(bench.pushed.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_index_needs_its_manifests_in_the_same_repository() {
    let bench = Bench::new();
    let image = bench.image("web", "1", b"layer").await;
    let size = bench.get(&format!("/v2/web/manifests/{image}")).await.body.len();
    let index =
        json!({"schemaVersion": 2, "manifests": [{"mediaType": OCI_IMAGE, "digest": image, "size": size}]});
    assert_eq!(
        bench.put_manifest("other", "all", OCI_INDEX, &index).await.fault(),
        "400 MANIFEST_BLOB_UNKNOWN"
    );
    bench.manifest("web", "all", OCI_INDEX, &index).await;
    assert_eq!(bench.get("/v2/web/manifests/all").await.header("content-type"), OCI_INDEX);
}

#[tokio::test]
async fn a_manifest_that_lies_is_refused() {
    let bench = Bench::new();
    let good = bench.image_manifest("web", b"layer", json!({})).await;
    let digest = sha256(b"something else").to_string();
    assert_eq!(bench.put_manifest("web", &digest, OCI_IMAGE, &good).await.fault(), "400 DIGEST_INVALID");
    assert_eq!(bench.put_manifest("web", "1", OCI_INDEX, &good).await.fault(), "400 MANIFEST_INVALID");
    assert_eq!(bench.put_manifest("web", ".x", OCI_IMAGE, &good).await.fault(), "400 TAG_INVALID");
    let mut wrong_size = good.clone();
    wrong_size["layers"][0]["size"] = json!(6);
    assert_eq!(bench.put_manifest("web", "1", OCI_IMAGE, &wrong_size).await.fault(), "400 MANIFEST_INVALID");
    let mut old = good.clone();
    old["schemaVersion"] = json!(1);
    assert_eq!(bench.put_manifest("web", "1", OCI_IMAGE, &old).await.fault(), "400 MANIFEST_INVALID");
    let text = bench.send(Method::PUT, "/v2/web/manifests/1", "not json").await;
    assert_eq!(text.fault(), "400 MANIFEST_INVALID");
    assert_eq!(bench.get("/v2/web/tags/list").await.json()["tags"], json!([]));
}

#[tokio::test]
async fn a_manifest_has_a_largest_size() {
    let bench = Bench::new();
    let mut manifest = json!({"schemaVersion": 2, "manifests": [], "annotations": {"filler": ""}});
    let fits = 4 * 1024 * 1024 - manifest.to_string().len();
    manifest["annotations"]["filler"] = Value::String("x".repeat(fits));
    bench.manifest("web", "large", OCI_INDEX, &manifest).await;
    manifest["annotations"]["filler"] = Value::String("x".repeat(fits + 1));
    assert_eq!(
        bench.put_manifest("web", "larger", OCI_INDEX, &manifest).await.fault(),
        "413 MANIFEST_INVALID"
    );
    let announced = [("content-length", "4194305"), ("content-type", OCI_INDEX)];
    let refused = bench.send_with(Method::PUT, "/v2/web/manifests/x", &announced, "").await;
    assert_eq!(refused.fault(), "413 MANIFEST_INVALID");
}

#[tokio::test]
async fn a_manifest_may_be_named_by_sha512() {
    let bench = Bench::new();
    let manifest = bench.image_manifest("web", b"layer", json!({})).await;
    let digest: Digest = digest_of(DigestAlgorithm::Sha512, manifest.to_string().as_bytes());
    assert_eq!(bench.manifest("web", &digest.to_string(), OCI_IMAGE, &manifest).await, digest);
    assert_eq!(bench.get(&format!("/v2/web/manifests/{digest}")).await.body, manifest.to_string().as_bytes());
}

#[tokio::test]
async fn a_push_to_a_tag_is_heard() {
    let bench = Bench::new();
    let digest = bench.image("acme/web", "1", b"layer").await;
    let manifest = bench.image_manifest("acme/web", b"other", json!({})).await;
    let by_digest = sha256(manifest.to_string().as_bytes());
    bench.manifest("acme/web", &by_digest.to_string(), OCI_IMAGE, &manifest).await;
    assert_eq!(*bench.pushed.lock().unwrap(), [format!("acme/web:1@{digest}")]);
}

#[tokio::test]
async fn deleting_a_tag_keeps_the_manifest_and_deleting_the_manifest_drops_its_tags() {
    let bench = Bench::new();
    let digest = bench.image("web", "1", b"layer").await;
    bench.image("web", "2", b"layer").await;
    let other = bench.image("web", "3", b"other").await;

    assert_eq!(bench.send(Method::DELETE, "/v2/web/manifests/1", "").await.status, StatusCode::ACCEPTED);
    assert_eq!(bench.get("/v2/web/manifests/1").await.fault(), "404 MANIFEST_UNKNOWN");
    let path = format!("/v2/web/manifests/{digest}");
    assert_eq!(bench.get(&path).await.status, StatusCode::OK);
    assert_eq!(bench.send(Method::DELETE, &path, "").await.status, StatusCode::ACCEPTED);
    assert_eq!(bench.send(Method::DELETE, &path, "").await.fault(), "404 MANIFEST_UNKNOWN");
    assert_eq!(bench.get("/v2/web/tags/list").await.json()["tags"], json!(["3"]));
    assert_eq!(bench.get(&format!("/v2/web/manifests/{other}")).await.status, StatusCode::OK);

    let layer = format!("/v2/web/blobs/{}", sha256(b"layer"));
    assert_eq!(bench.send(Method::DELETE, &layer, "").await.status, StatusCode::ACCEPTED);
    assert_eq!(bench.send(Method::DELETE, &layer, "").await.fault(), "404 BLOB_UNKNOWN");
}

#[tokio::test]
async fn collecting_garbage_keeps_what_a_repository_holds() {
    let bench = Bench::new();
    let kept = bench.image("web", "1", b"kept").await;
    let dropped = bench.image("web", "2", b"dropped").await;
    bench.send(Method::DELETE, &format!("/v2/web/manifests/{dropped}"), "").await;
    bench.send(Method::DELETE, &format!("/v2/web/blobs/{}", sha256(b"dropped")), "").await;
    let store = bench.state.store.clone();
    bench
        .state
        .repositories
        .while_settled(|references| {
            let keep = references.manifests.union(&references.blobs).cloned().collect();
            store.collect(&keep, &Default::default())
        })
        .unwrap()
        .unwrap();
    assert!(!store.has_blob(&dropped) && !store.has_blob(&sha256(b"dropped")));
    assert_eq!(bench.get(&format!("/v2/web/manifests/{kept}")).await.status, StatusCode::OK);
    assert_eq!(bench.get(&format!("/v2/web/blobs/{}", sha256(b"kept"))).await.body, b"kept");
}

#[tokio::test]
async fn a_tag_that_reads_like_a_digest_is_a_tag() {
    let bench = Bench::new();
    let one = bench.image("web", "1", b"one").await;
    let two = bench.image("web", "2", b"two").await;
    // The tag of the schema that clients without the referrers API fall back to, and bare digits, both lying.
    for tag in [format!("sha256-{}", one.hex()), one.hex().to_owned()] {
        assert_eq!(bench.image("web", &tag, b"two").await, two);
        let by_tag = bench.get(&format!("/v2/web/manifests/{tag}")).await;
        assert_eq!(by_tag.header("docker-content-digest"), two.to_string());
    }
    let by_digest = bench.get(&format!("/v2/web/manifests/{one}")).await;
    assert_eq!(sha256(&by_digest.body), one);
    // And what is sent under the digest of something else is refused, also where that is here.
    let manifest = bench.image_manifest("web", b"two", json!({})).await;
    for other in [&one, &sha256(b"two"), &sha256(b"absent")] {
        let refused = bench.put_manifest("web", &other.to_string(), OCI_IMAGE, &manifest).await;
        assert_eq!(refused.fault(), "400 DIGEST_INVALID");
    }
    assert_eq!(sha256(&bench.get(&format!("/v2/web/manifests/{one}")).await.body), one);
}

#[tokio::test]
async fn what_a_manifest_is_about_may_come_later() {
    let bench = Bench::new();
    let image = bench.image_manifest("elsewhere", b"layer", json!({})).await.to_string();
    let subject = json!({"mediaType": OCI_IMAGE, "digest": sha256(image.as_bytes()), "size": image.len()});
    let signature = bench.image_manifest("web", b"signature", json!({"subject": subject})).await;
    let pushed = bench.put_manifest("web", "signature", OCI_IMAGE, &signature).await;
    assert_eq!(pushed.header("oci-subject"), sha256(image.as_bytes()).to_string());
    let referrers = format!("/v2/web/referrers/{}", sha256(image.as_bytes()));
    let listed = || async { bench.get(&referrers).await.json()["manifests"].as_array().unwrap().len() };
    assert_eq!(listed().await, 1);
    // In another repository nobody has heard of it.
    assert_eq!(bench.get(&referrers.replace("/web/", "/elsewhere/")).await.json()["manifests"], json!([]));

    assert_eq!(bench.image("web", "1", b"layer").await, sha256(image.as_bytes()));
    assert_eq!(listed().await, 1);
    bench.send(Method::DELETE, &format!("/v2/web/manifests/{}", sha256(image.as_bytes())), "").await;
    assert_eq!(listed().await, 1);
    bench
        .send(Method::DELETE, &format!("/v2/web/manifests/{}", pushed.header("docker-content-digest")), "")
        .await;
    assert_eq!(listed().await, 0);
}

#[tokio::test]
async fn everything_that_can_be_fetched_can_be_asked_for_without_its_bytes() {
    let bench = Bench::new();
    let image = bench.image("web", "1", b"layer").await;
    let upload = bench.start("web").await;
    for path in [
        "/v2/".to_owned(),
        "/v2/_catalog".to_owned(),
        "/v2/web/tags/list".to_owned(),
        format!("/v2/web/referrers/{image}"),
        format!("/v2/web/manifests/{image}"),
        "/v2/web/manifests/1".to_owned(),
        format!("/v2/web/blobs/{}", sha256(b"layer")),
        upload,
    ] {
        let (head, get) = (bench.send(Method::HEAD, &path, "").await, bench.get(&path).await);
        assert_eq!(head.status, get.status, "{path}");
        for name in
            ["content-type", "docker-content-digest", "docker-distribution-api-version", "range", "location"]
        {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
        assert_eq!(get.header("docker-distribution-api-version"), "registry/2.0");
    }
    for path in ["/v2/web/manifests/none".to_owned(), format!("/v2/web/blobs/{}", sha256(b"none"))] {
        assert_eq!(bench.send(Method::HEAD, &path, "").await.status, StatusCode::NOT_FOUND);
    }
}
