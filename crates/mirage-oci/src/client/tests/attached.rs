use std::time::Duration;

use axum::http::Method;
use axum::response::IntoResponse;
use mirage_core::port::{Registry, Sighting};
use mirage_core::{Attachments, Digest, Platform, Presence, Reference};
use serde_json::{Value, json};

use crate::client::script::{
    DebianRegistry, IMAGE, INDEX, Script, Seen, Shelf, TestImage, client, clock, entry, options, push, status,
};
use crate::client::{RegistryClient, RegistryOptions};

const ABSENT: Attachments =
    Attachments { signature: Presence::Absent, sbom: Presence::Absent, provenance: Presence::Absent };

fn amd64() -> Platform {
    "linux/amd64".parse().unwrap()
}

/// A client that waits for the slowest of many answers.
fn patient() -> RegistryClient {
    let stall_timeout = Duration::from_secs(4);
    RegistryClient::new(RegistryOptions { stall_timeout, ..options() }, 7, clock(), None, None).unwrap()
}

async fn look(reference: &Reference) -> Sighting {
    client().inspect(reference, &amd64(), None).await.unwrap()
}

fn single() -> (Shelf, Digest) {
    let mut shelf = Shelf::default();
    let digest = shelf.image(Some("1"), &TestImage::new("amd64", vec![vec![1; 10]]));
    (shelf, digest)
}

/// Two images under the tag `1`, the one for amd64 with attestations of BuildKit.
fn with_attestations() -> (Shelf, Digest) {
    let (ours, other) = (TestImage::new("amd64", vec![]), TestImage::new("arm64", vec![]));
    let mut shelf = Shelf::default();
    let (amd, arm) = (shelf.image(None, &ours), shelf.image(None, &other));
    let layer = |predicate: &str| json!({ "mediaType": "application/vnd.in-toto+json", "annotations": { "in-toto.io/predicate-type": predicate } });
    let attested = json!({ "schemaVersion": 2, "mediaType": IMAGE,
        "layers": [layer("https://spdx.dev/Document"), layer("https://slsa.dev/provenance/v1")] });
    let attested = attested.to_string();
    let attestation = shelf.manifest(None, IMAGE, attested.as_bytes());
    let mut attests = entry(&attestation, attested.len(), "unknown/unknown");
    attests["annotations"] =
        json!({ "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": amd });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [
        entry(&arm, other.manifest().len(), "linux/arm64"),
        entry(&amd, ours.manifest().len(), "linux/amd64"),
        attests,
    ]});
    let digest = shelf.manifest(Some("1"), INDEX, index.to_string().as_bytes());
    (shelf, digest)
}

/// Serves the referrers API as well, with the same listing for everything.
fn with_referrers(shelf: &Shelf, seen: &Seen, listing: &Value) -> axum::response::Response {
    match seen.path.contains("/referrers/") {
        true => ([("content-type", INDEX)], listing.to_string()).into_response(),
        false => shelf.answer(seen),
    }
}

#[tokio::test]
async fn an_image_is_looked_at_in_two_round_trips() {
    let (shelf, digest) = single();
    let script = Script::start_in_waves(&[1, 6], move |seen| shelf.answer(seen)).await;
    let reference = script.reference("acme/web:1");
    let client = patient();
    let seen = client.inspect(&reference, &amd64(), None).await.unwrap();
    assert_eq!((&seen.image.digest, seen.attachments, seen.quota), (&digest, ABSENT, None));
    let mut asked = script.asked();
    asked[1..].sort();
    let (config, hex) = (asked[1].clone(), digest.hex());
    assert!(config.starts_with("GET blobs/"), "{config}");
    let expected = [
        "GET manifests/1".to_owned(),
        config,
        format!("GET manifests/sha256-{hex}"),
        format!("GET manifests/sha256-{hex}.att"),
        format!("GET referrers/{digest}"),
        format!("HEAD manifests/sha256-{hex}.sbom"),
        format!("HEAD manifests/sha256-{hex}.sig"),
    ];
    assert_eq!(asked, expected);
    client.resolve(&reference, &amd64(), None).await.unwrap();
    assert_eq!(script.asked()[7..], ["HEAD manifests/1"], "a deploy asks for none of that");
}

#[tokio::test]
async fn an_image_among_several_is_looked_at_in_three_and_in_two_where_it_is_known() {
    let (shelf, digest) = with_attestations();
    // The index; its image, two subjects with five questions each, the attestations; the configuration.
    // Then again: the tag; the questions.
    let script = Script::start_in_waves(&[1, 12, 1, 1, 10], move |seen| shelf.answer(seen)).await;
    let (client, reference) = (patient(), script.reference("acme/web:1"));
    let seen = client.inspect(&reference, &amd64(), None).await.unwrap();
    assert_eq!(seen.image.digest, digest);
    let attested =
        Attachments { sbom: Presence::Present, provenance: Presence::Present, signature: Presence::Absent };
    assert_eq!(seen.attachments, attested);
    assert_eq!(script.requests().len(), 14);
    assert_eq!(client.inspect(&reference, &amd64(), None).await.unwrap(), seen);
    assert_eq!(script.requests().len(), 25);
}

#[tokio::test]
async fn artifacts_are_found_by_the_referrers_api_and_by_tags() {
    let signature = json!({ "manifests": [
        { "artifactType": "application/vnd.dev.cosign.artifact.sig.v1+json", "digest": "sha256:00", "size": 1 }
    ]});
    let (mut shelf, digest) = single();
    let listing = signature.clone();
    let by_api = shelf.clone();
    let script = Script::start(move |seen| with_referrers(&by_api, seen, &listing)).await;
    let expected = Attachments { signature: Presence::Present, ..ABSENT };
    assert_eq!(look(&script.reference("acme/web:1")).await.attachments, expected);

    // Where the API is served and says nothing, older versions of cosign still use their tags.
    let mut tagged = shelf.clone();
    let tag = |suffix: &str| format!("sha256-{}{suffix}", digest.hex());
    tagged.manifest(Some(&tag(".sig")), IMAGE, b"{}");
    let attestation = json!({ "layers": [
        { "mediaType": "application/vnd.dsse.envelope.v1+json", "annotations": { "predicateType": "https://cyclonedx.org/bom" } }
    ]});
    tagged.manifest(Some(&tag(".att")), IMAGE, attestation.to_string().as_bytes());
    let script = Script::start(move |seen| with_referrers(&tagged, seen, &json!({ "manifests": [] }))).await;
    let expected = Attachments { signature: Presence::Present, sbom: Presence::Present, ..ABSENT };
    assert_eq!(look(&script.reference("acme/web:1")).await.attachments, expected);

    // Without the API, what refers to the image is listed under the referrers tag.
    shelf.manifest(Some(&tag("")), INDEX, signature.to_string().as_bytes());
    let script = Script::start(move |seen| shelf.answer(seen)).await;
    let expected = Attachments { signature: Presence::Present, ..ABSENT };
    assert_eq!(look(&script.reference("acme/web:1")).await.attachments, expected);
}

#[tokio::test]
async fn a_registry_that_takes_the_referrers_tag_for_the_digest_is_not_believed() {
    let (mut shelf, digest) = with_attestations();
    // As GitLab's does: the subject itself is answered, and its own images would pass for artifacts.
    shelf.also_known_as(&digest, &format!("sha256-{}", digest.hex()));
    let script = Script::start(move |seen| shelf.answer(seen)).await;
    assert_eq!(look(&script.reference("acme/web:1")).await.attachments.signature, Presence::Absent);
}

#[tokio::test]
async fn a_registry_that_stumbles_over_artifacts_makes_them_unknown_and_the_image_stays_known() {
    let unknown = Attachments::default();
    for broken in [500, 401, 403, 429] {
        let (shelf, digest) = single();
        let script = Script::start(move |seen| match seen.path.contains("/referrers/") {
            true => status(broken),
            false => shelf.answer(seen),
        })
        .await;
        let seen = look(&script.reference("acme/web:1")).await;
        assert_eq!((seen.image.digest, seen.attachments), (digest, unknown), "{broken}");
    }
    for odd in ["<html>", "[]", r#"{"manifests": 7}"#] {
        let (shelf, _) = single();
        let script = Script::start(move |seen| match seen.path.contains("/referrers/") {
            true => odd.into_response(),
            false => shelf.answer(seen),
        })
        .await;
        assert_eq!(look(&script.reference("acme/web:1")).await.attachments, unknown, "{odd}");
    }
}

#[tokio::test]
async fn what_a_registry_does_not_serve_is_absent() {
    for code in [400, 404, 405, 406, 501] {
        let (shelf, _) = single();
        let script = Script::start(move |seen| match seen.path.contains("/referrers/") {
            true => status(code),
            false => shelf.answer(seen),
        })
        .await;
        assert_eq!(look(&script.reference("acme/web:1")).await.attachments, ABSENT, "{code}");
    }
    let (shelf, _) = single();
    let script = Script::start(move |seen| match seen.path.contains("/referrers/") {
        true => ([("content-type", "text/html")], "<html>sign in</html>").into_response(),
        false => shelf.answer(seen),
    })
    .await;
    assert_eq!(look(&script.reference("acme/web:1")).await.attachments, ABSENT, "GHCR leads to a web page");
}

#[tokio::test]
async fn a_listing_of_which_there_is_more_leaves_the_rest_unknown_and_a_large_one_is_refused() {
    let (shelf, _) = single();
    let listing = json!({ "manifests": [{ "artifactType": "application/spdx+json" }] });
    let script = Script::start(move |seen| {
        let mut answer = with_referrers(&shelf, seen, &listing);
        answer.headers_mut().insert("link", "</v2/next>; rel=\"next\"".parse().unwrap());
        answer
    })
    .await;
    let seen = look(&script.reference("acme/web:1")).await.attachments;
    assert_eq!((seen.sbom, seen.signature), (Presence::Present, Presence::Unknown));

    let (shelf, _) = single();
    let script = Script::start(move |seen| match seen.path.contains("/referrers/") {
        true => vec![b' '; (4 << 20) + 1].into_response(),
        false => shelf.answer(seen),
    })
    .await;
    assert_eq!(look(&script.reference("acme/web:1")).await.attachments, Attachments::default());
}

#[tokio::test]
async fn what_is_left_of_a_quota_comes_with_the_manifest() {
    let (shelf, _) = single();
    let script = Script::start(move |seen| {
        let mut answer = shelf.answer(seen);
        if seen.path.ends_with("/manifests/1") {
            let left = if seen.method == Method::HEAD { "75;w=21600" } else { "76;w=21600" };
            answer.headers_mut().insert("ratelimit-limit", "100;w=21600".parse().unwrap());
            answer.headers_mut().insert("ratelimit-remaining", left.parse().unwrap());
        }
        answer
    })
    .await;
    let (client, reference) = (client(), script.reference("acme/web:1"));
    for left in [76, 75] {
        let quota = client.inspect(&reference, &amd64(), None).await.unwrap().quota.unwrap();
        assert_eq!((quota.limit, quota.remaining, quota.window_seconds), (Some(100), left, Some(21_600)));
    }
}

#[tokio::test]
async fn a_signature_in_debians_registry_is_seen() {
    let Some(registry) = DebianRegistry::start("a_signature_in_debians_registry_is_seen") else { return };
    let reference = registry.reference("acme/web:1");
    push(&TestImage::new("amd64", vec![vec![0; 1024]]), &reference, &[]);
    let bare = look(&reference).await;
    assert_eq!(bare.attachments, ABSENT);
    let tag = format!("acme/web:sha256-{}.sig", bare.image.digest.hex());
    push(&TestImage::new("amd64", vec![]), &registry.reference(&tag), &[]);
    let expected = Attachments { signature: Presence::Present, ..ABSENT };
    assert_eq!(look(&reference).await.attachments, expected);
}
