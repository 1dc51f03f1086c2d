use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use mirage_core::{Code, Digest, Error, Repository, Secret};

use super::{Content, PlatformRegistry};
use crate::client::script::{Script, Seen, options, problem, sha256, status};

fn registry(host: impl std::fmt::Display) -> PlatformRegistry {
    let token = Secret::from("secret".to_owned());
    PlatformRegistry::new(&format!("http://{host}"), Some(&token), options(), 7).unwrap()
}

fn web() -> Repository {
    "acme/web".parse().unwrap()
}

async fn push(registry: &PlatformRegistry) -> Result<(), Error> {
    let content = Content::Bytes("hello".into());
    registry.put_blob(&web(), &sha256(b"hello"), &content, None, &Arc::default()).await
}

/// A registry whose last word on an upload is this.
async fn ending_with(answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> Script {
    Script::start(move |seen| match seen.method.as_str() {
        "POST" => (http::StatusCode::ACCEPTED, [("location", "/v2/acme/web/blobs/uploads/1?state=x")])
            .into_response(),
        _ => answer(seen),
    })
    .await
}

#[tokio::test]
async fn a_blob_is_sent_whole_with_the_token_as_password() {
    let script = ending_with(|_| status(201)).await;
    push(&registry(&script.host)).await.unwrap();
    let [begin, end] = &script.requests()[..] else { panic!("{:?}", script.asked()) };
    assert_eq!((begin.path.as_str(), begin.query.as_str()), ("/v2/acme/web/blobs/uploads/", ""));
    let digest = sha256(b"hello").to_string().replace(':', "%3A");
    assert_eq!(end.query, format!("state=x&digest={digest}"));
    assert_eq!((end.header("content-length"), end.header("transfer-encoding")), (Some("5"), None));
    for seen in [begin, end] {
        assert_eq!(seen.header("authorization"), Some("Basic bWlyYWdlOnNlY3JldA=="));
    }
}

#[tokio::test]
async fn what_the_registry_says_has_its_code() {
    for (answer, code) in [
        ((401, "UNAUTHORIZED"), Code::Unauthenticated),
        ((403, "DENIED"), Code::Forbidden),
        ((400, "DIGEST_INVALID"), Code::ImagePullError),
        ((413, "SIZE_INVALID"), Code::ImageTooLarge),
        ((429, "TOOMANYREQUESTS"), Code::RegistryRateLimited),
        ((507, "UNKNOWN"), Code::DiskFull),
        ((400, "NAME_INVALID"), Code::InvalidRequest),
        ((500, "UNKNOWN"), Code::RegistryUnreachable),
    ] {
        let script = ending_with(move |_| problem(answer.0, answer.1)).await;
        let error = push(&registry(&script.host)).await.unwrap_err();
        assert_eq!(error.code(), code, "{answer:?}: {}", error.message());
        assert!(error.next_step().is_some() && error.message().contains(script.host.as_str()));
    }
    let page = Script::start(|_| ([("content-type", "text/html")], "<html>").into_response()).await;
    assert_eq!(push(&registry(&page.host)).await.unwrap_err().code(), Code::TargetUnavailable);
    let nobody = Script::start(|_| status(404)).await;
    assert_eq!(push(&registry(&nobody.host)).await.unwrap_err().code(), Code::TargetUnavailable);
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(push(&registry(gone)).await.unwrap_err().code(), Code::TargetUnavailable);
    assert!(PlatformRegistry::new("mirage", None, options(), 7).is_err());
}

#[tokio::test]
async fn a_registry_that_stumbles_is_asked_again_from_the_start() {
    let script = ending_with(|seen| if seen.nth < 2 { status(503) } else { status(201) }).await;
    push(&registry(&script.host)).await.unwrap();
    assert_eq!(script.asked().len(), 6);
}

#[tokio::test]
async fn an_upload_goes_on_at_no_other_address() {
    let thief = Script::start(|_| status(201)).await;
    let location = format!("http://{}/v2/acme/web/blobs/uploads/1", thief.host);
    let script = Script::start(move |_| {
        (http::StatusCode::ACCEPTED, [("location", location.clone())]).into_response()
    })
    .await;
    let error = push(&registry(&script.host)).await.unwrap_err();
    assert_eq!(error.code(), Code::RegistryUnreachable);
    assert!(error.message().contains("it leads to another registry"), "{}", error.message());
    assert!(thief.asked().is_empty());
}

#[tokio::test]
async fn a_registry_that_says_nothing_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = push(&registry(listener.local_addr().unwrap())).await.unwrap_err();
    assert_eq!(error.code(), Code::RegistryUnreachable);
    assert!(error.message().contains("nothing arrived for 0.2 s"), "{}", error.message());
}

#[tokio::test]
async fn a_registry_that_keeps_something_else_gets_no_tag() {
    let other = sha256(b"other").to_string();
    let script = Script::start(move |_| {
        (http::StatusCode::CREATED, [("docker-content-digest", other.clone())]).into_response()
    })
    .await;
    let (digest, bytes) = (sha256(b"{}"), "{}".into());
    let put = registry(&script.host).put_manifest(&web(), None, &digest, "a/b", bytes).await;
    assert_eq!(put.unwrap_err().code(), Code::ImagePullError);
}

#[test]
fn an_image_is_called_after_the_address_of_its_platform() {
    let called = |url: &str| {
        let registry = PlatformRegistry::new(url, None, options(), 7).unwrap();
        registry.reference(&web(), "1".parse().ok().as_ref(), &Digest::sha256([0; 32])).to_string()
    };
    for (url, name) in [
        ("http://127.0.0.1:7070", "127.0.0.1:7070/acme/web:1"),
        ("http://[::1]:7070/", "[::1]:7070/acme/web:1"),
        ("https://mirage.example.com", "mirage.example.com/acme/web:1"),
        ("http://mirage.example.com", "mirage.example.com:80/acme/web:1"),
        ("https://mirage", "mirage:443/acme/web:1"),
    ] {
        assert_eq!(called(url), name);
    }
    let here = PlatformRegistry::new("http://127.0.0.1:7070", None, options(), 7).unwrap();
    let is = |host: &str| here.is_called(&host.parse().unwrap());
    assert!(is("127.0.0.1:7070") && is("localhost:7070") && is("[::1]:7070"));
    assert!(!is("localhost:7071") && !is("localhost") && !is("ghcr.io"));
}
