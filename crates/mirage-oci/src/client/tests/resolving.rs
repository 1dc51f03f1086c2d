use axum::http::Method;
use axum::response::IntoResponse;
use bytes::Bytes;
use mirage_core::port::Registry;
use mirage_core::{Code, Error, Platform, ResolvedImage};
use serde_json::json;

use crate::client::script::{
    IMAGE, INDEX, Script, Shelf, TestImage, client, clock, entry, options, problem, stalled, status,
};
use crate::client::{RegistryClient, RegistryOptions};

fn amd64() -> Platform {
    "linux/amd64".parse().unwrap()
}

async fn resolve(script: &Script, rest: &str) -> Result<ResolvedImage, Error> {
    client().resolve(&script.reference(rest), &amd64(), None).await
}

/// One image for amd64 and one for arm64 under the tag `1`.
fn two_platforms() -> (Shelf, TestImage) {
    let (ours, other) =
        (TestImage::new("amd64", vec![vec![1; 100]]), TestImage::new("arm64", vec![vec![2; 50]]));
    let mut shelf = Shelf::default();
    let arm = shelf.image(None, &other);
    let amd = shelf.image(None, &ours);
    let attestation = shelf.manifest(None, IMAGE, b"{}");
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [
        entry(&arm, other.manifest().len(), "linux/arm64"),
        entry(&attestation, 2, "unknown/unknown"),
        entry(&amd, ours.manifest().len(), "linux/amd64"),
    ]});
    shelf.manifest(Some("1"), INDEX, index.to_string().as_bytes());
    (shelf, ours)
}

#[tokio::test]
async fn a_tag_becomes_a_digest_a_platform_and_a_configuration_in_three_round_trips() {
    let (shelf, image) = two_platforms();
    let script = Script::start(move |seen| shelf.answer(seen)).await;
    let resolved = resolve(&script, "acme/web:1").await.unwrap();
    assert_eq!(resolved.manifest, crate::client::script::sha256(&image.manifest()));
    assert_ne!(resolved.digest, resolved.manifest, "the digest is that of the index");
    assert_eq!(resolved.platform, amd64());
    let platforms: Vec<_> = resolved.platforms.iter().map(ToString::to_string).collect();
    assert_eq!(platforms, ["linux/arm64", "linux/amd64"]);
    assert_eq!((resolved.layers, resolved.size_bytes), (1, 100 + image.config.len() as u64));
    assert_eq!(resolved.config.ports.iter().map(|port| port.get()).collect::<Vec<_>>(), [80, 9000]);
    let config = crate::client::script::sha256(&image.config);
    let expected = [
        "GET manifests/1".to_owned(),
        format!("GET manifests/{}", resolved.manifest),
        format!("GET blobs/{config}"),
    ];
    assert_eq!(script.asked(), expected);
}

#[tokio::test]
async fn what_is_known_already_costs_one_head() {
    let (shelf, _) = two_platforms();
    let script = Script::start(move |seen| shelf.answer(seen)).await;
    let (client, reference) = (client(), script.reference("acme/web:1"));
    let first = client.resolve(&reference, &amd64(), None).await.unwrap();
    let again = client.resolve(&reference, &amd64(), None).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(script.asked()[3..], ["HEAD manifests/1"]);
    let pinned = reference.pinned(first.digest.clone());
    assert_eq!(client.resolve(&pinned, &amd64(), None).await.unwrap().manifest, first.manifest);
    assert_eq!(script.asked()[4..], [format!("HEAD manifests/{}", first.digest)]);
}

#[tokio::test]
async fn a_registry_that_does_not_serve_head_is_asked_with_get() {
    let (shelf, _) = two_platforms();
    let script = Script::start(move |seen| match seen.method {
        Method::HEAD => status(405),
        _ => shelf.answer(seen),
    })
    .await;
    let (client, reference) = (client(), script.reference("acme/web:1"));
    let first = client.resolve(&reference, &amd64(), None).await.unwrap();
    assert_eq!(client.resolve(&reference, &amd64(), None).await.unwrap(), first);
    assert_eq!(script.asked()[3..], ["HEAD manifests/1", "GET manifests/1"]);
}

#[tokio::test]
async fn a_tag_that_moved_is_followed() {
    let old = TestImage::new("amd64", vec![vec![1; 10]]);
    let new = TestImage::new("amd64", vec![vec![2; 10]]);
    let (mut before, mut after) = (Shelf::default(), Shelf::default());
    before.image(Some("1"), &old);
    let moved = after.image(Some("1"), &new);
    let script = Script::start(move |seen| match (&seen.method, seen.nth) {
        (&Method::GET, 0) if seen.path.ends_with("/manifests/1") => before.answer(seen),
        (&Method::GET, _) if seen.path.contains("/blobs/") && seen.nth == 0 => {
            let answer = before.answer(seen);
            if answer.status() == 200 { answer } else { after.answer(seen) }
        }
        _ => after.answer(seen),
    })
    .await;
    let (client, reference) = (client(), script.reference("acme/web:1"));
    assert_ne!(client.resolve(&reference, &amd64(), None).await.unwrap().digest, moved);
    assert_eq!(client.resolve(&reference, &amd64(), None).await.unwrap().digest, moved);
}

#[tokio::test]
async fn an_image_for_another_platform_is_refused_with_what_there_is() {
    let mut shelf = Shelf::default();
    let arm = TestImage::new("arm64", vec![]);
    let manifest = shelf.image(Some("single"), &arm);
    let index =
        json!({ "schemaVersion": 2, "manifests": [entry(&manifest, arm.manifest().len(), "linux/arm64")] });
    shelf.manifest(Some("index"), INDEX, index.to_string().as_bytes());
    let script = Script::start(move |seen| shelf.answer(seen)).await;
    for tag in ["single", "index"] {
        let error = resolve(&script, &format!("acme/web:{tag}")).await.unwrap_err();
        assert_eq!(error.code(), Code::NoMatchingPlatform);
        assert!(
            error.message().ends_with("is offered for `linux/arm64`, not for `linux/amd64`"),
            "{}",
            error.message()
        );
    }
}

#[tokio::test]
async fn bytes_with_another_digest_are_refused() {
    let (shelf, image) = two_platforms();
    let asked = crate::client::script::sha256(&image.manifest());
    let script = Script::start(move |seen| match seen.path.rsplit('/').next() {
        Some("lying") => ([("docker-content-digest", asked.to_string())], "{}").into_response(),
        Some(item) if item == asked.to_string() => ([("content-type", IMAGE)], "{}").into_response(),
        _ => shelf.answer(seen),
    })
    .await;
    for rest in ["acme/web:1", "acme/web:lying"] {
        let error = resolve(&script, rest).await.unwrap_err();
        assert_eq!(error.code(), Code::ImagePullError, "{rest}");
        assert!(error.message().contains("sent wrong bytes"), "{}", error.message());
    }
}

#[tokio::test]
async fn sizes_are_refused_before_and_while_reading() {
    let large = Bytes::from(vec![b' '; (4 << 20) + 1]);
    let script = Script::start(move |seen| match seen.path.ends_with("announced") {
        true => large.clone().into_response(),
        false => {
            use futures_util::{StreamExt, stream};
            let endless = stream::repeat(Bytes::from(vec![b' '; 64 << 10])).map(Ok::<_, std::io::Error>);
            axum::body::Body::from_stream(endless).into_response()
        }
    })
    .await;
    let error = resolve(&script, "acme/web:announced").await.unwrap_err();
    assert_eq!(
        (error.code(), error.message().contains("4.0 MiB, the limit is 4.0 MiB")),
        (Code::ImageTooLarge, true)
    );
    let error = resolve(&script, "acme/web:endless").await.unwrap_err();
    assert_eq!((error.code(), error.message().contains("more than 4.0 MiB")), (Code::ImageTooLarge, true));
}

#[tokio::test]
async fn refusals_have_their_codes_and_cost_no_second_request() {
    let script = Script::start(|seen| match seen.path.rsplit('/').next().unwrap_or_default() {
        "unknown" => problem(404, "MANIFEST_UNKNOWN"),
        "denied" => problem(403, "DENIED"),
        "html" => ([("content-type", "text/html; charset=utf-8")], "<html>hello</html>").into_response(),
        "html404" => {
            (axum::http::StatusCode::NOT_FOUND, [("content-type", "text/html")], "<html>").into_response()
        }
        "teapot" => status(418),
        _ => status(400),
    })
    .await;
    for (tag, code, words) in [
        ("unknown", Code::ImageNotFound, "has no image"),
        ("denied", Code::RegistryAuthError, "without a login"),
        ("html", Code::RegistryUnreachable, "answers with a web page, not as a registry"),
        ("html404", Code::RegistryUnreachable, "answers with a web page, not as a registry"),
        ("teapot", Code::RegistryUnreachable, "answered `418 I'm a teapot`"),
    ] {
        let before = script.requests().len();
        let error = resolve(&script, &format!("acme/web:{tag}")).await.unwrap_err();
        assert_eq!(error.code(), code, "{tag}");
        assert!(error.message().contains(words), "{tag}: {}", error.message());
        assert_eq!(script.requests().len(), before + 1, "{tag}");
    }
}

#[tokio::test]
async fn a_registry_that_stumbles_is_asked_again_and_one_that_lies_down_is_not_for_ever() {
    let (shelf, _) = two_platforms();
    let script = Script::start(move |seen| match (seen.path.ends_with("/1"), seen.nth) {
        (true, 0) => status(500),
        (true, 1) => (axum::http::StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")]).into_response(),
        (true, _) => shelf.answer(seen),
        _ if seen.path.ends_with("/limited") => {
            (axum::http::StatusCode::TOO_MANY_REQUESTS, [("retry-after", "600")]).into_response()
        }
        _ if seen.path.ends_with("/down") => status(503),
        _ => shelf.answer(seen),
    })
    .await;
    resolve(&script, "acme/web:1").await.unwrap();
    let before = script.requests().len();
    let error = resolve(&script, "acme/web:limited").await.unwrap_err();
    assert_eq!((error.code(), error.next_step()), (Code::RegistryRateLimited, Some("try again in 10 min")));
    assert_eq!(script.requests().len(), before + 1, "a long wait is the user's to decide");
    let error = resolve(&script, "acme/web:down").await.unwrap_err();
    assert_eq!(error.code(), Code::RegistryUnreachable);
    assert_eq!(script.requests().len(), before + 4);
}

#[tokio::test]
async fn a_registry_that_hangs_or_is_not_there_is_named() {
    let script = Script::start(|_| stalled(&Bytes::from_static(b"{\"schemaVersion\""), 5)).await;
    let error = resolve(&script, "acme/web:1").await.unwrap_err();
    assert_eq!(error.code(), Code::RegistryUnreachable);
    assert!(error.message().contains("sent nothing for"), "{}", error.message());
    // A port that was free a moment ago, with nobody behind it.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error =
        client().resolve(&format!("{free}/acme/web:1").parse().unwrap(), &amd64(), None).await.unwrap_err();
    assert_eq!(error.code(), Code::RegistryUnreachable);
    assert_eq!(error.message(), format!("nothing answers at the registry `{free}`"));
    let nowhere = "registry.invalid/acme/web:1".parse().unwrap();
    let error = client().resolve(&nowhere, &amd64(), None).await.unwrap_err();
    assert_eq!(error.message(), "the registry `registry.invalid` cannot be found: its name has no address");
}

#[tokio::test]
async fn an_index_of_ten_thousand_entries_and_nested_indexes_are_refused() {
    let mut shelf = Shelf::default();
    let image = TestImage::new("amd64", vec![]);
    let manifest = shelf.image(None, &image);
    let many = json!({ "schemaVersion": 2, "manifests": vec![entry(&manifest, 9, "linux/amd64"); 10_000] });
    shelf.manifest(Some("many"), INDEX, many.to_string().as_bytes());
    let mut inner = manifest;
    for _ in 0..6 {
        let mut child = entry(&inner, 9, "linux/amd64");
        child["mediaType"] = INDEX.into();
        inner = shelf.manifest(
            Some("deep"),
            INDEX,
            json!({ "schemaVersion": 2, "manifests": [child] }).to_string().as_bytes(),
        );
    }
    let script = Script::start(move |seen| shelf.answer(seen)).await;
    let error = resolve(&script, "acme/web:many").await.unwrap_err();
    assert!(error.message().contains("10000 entries, the limit is 1000"), "{}", error.message());
    let error = resolve(&script, "acme/web:deep").await.unwrap_err();
    assert!(error.message().contains("nested more than 3 deep"), "{}", error.message());
}

#[tokio::test]
async fn tls_is_spoken_to_every_registry_that_is_not_loopback_or_named() {
    let (shelf, _) = two_platforms();
    let script = Script::start(move |seen| shelf.answer(seen)).await;
    let port = script.host.as_str().rsplit(':').next().unwrap().to_owned();
    // The same server under an address of this machine that is no loopback address by its name.
    let elsewhere: mirage_core::Reference = format!("0.0.0.0:{port}/acme/web:1").parse().unwrap();
    let error = client().resolve(&elsewhere, &amd64(), None).await.unwrap_err();
    assert_eq!(error.code(), Code::RegistryTlsError);
    assert!(error.message().contains("it speaks plain HTTP where HTTPS is needed"), "{}", error.message());
    let plain_http = [elsewhere.host().clone()].into();
    let named =
        RegistryClient::new(RegistryOptions { plain_http, ..options() }, 7, clock(), None, None).unwrap();
    named.resolve(&elsewhere, &amd64(), None).await.unwrap();
}
