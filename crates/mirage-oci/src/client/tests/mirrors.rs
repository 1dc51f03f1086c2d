//! Mirrors that help, and mirrors that do not.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use mirage_core::port::Registry;
use mirage_core::{Code, CredentialOwner, Login, Platform, Reference, RegistryHost};

use crate::client::script::{IMAGE, Script, Seen, Shelf, TestImage, clock, options, problem, sha256, status};
use crate::client::{Mirror, RegistryClient, RegistryOptions};

fn amd64() -> Platform {
    "linux/amd64".parse().unwrap()
}

fn image() -> TestImage {
    TestImage::new("amd64", vec![b"layer".to_vec()])
}

/// A registry with one image, and a mirror that answers `odd` where it answers at all.
async fn origin() -> Script {
    let mut shelf = Shelf::default();
    shelf.image(Some("1"), &image());
    Script::start(move |seen| shelf.answer(seen)).await
}

fn mirror_of(origin: &RegistryHost, host: &RegistryHost, prefix: Option<&str>) -> Mirror {
    let prefix = prefix.map(|prefix| prefix.parse().unwrap());
    Mirror { of: origin.clone(), host: host.clone(), prefix }
}

fn client(mirrors: Vec<Mirror>) -> RegistryClient {
    RegistryClient::new(RegistryOptions { mirrors, ..options() }, 7, clock(), None, None).unwrap()
}

#[tokio::test]
async fn what_a_mirror_has_its_registry_is_not_asked_for() {
    let origin = origin().await;
    let mut shelf = Shelf::default();
    shelf.image(Some("1"), &image());
    let mirror = Script::start(move |seen| shelf.answer(seen)).await;
    let client = client(vec![mirror_of(&origin.host, &mirror.host, Some("hub/all"))]);
    let reference = origin.reference("acme/web:1");
    let found = client.resolve(&reference, &amd64(), None).await.unwrap();
    assert_eq!(found.reference, reference, "where it is from stays what was written");
    assert_eq!(origin.asked(), [""; 0]);
    // Two round trips, as without one.
    let config = format!("GET blobs/{}", sha256(&image().config));
    assert_eq!(mirror.asked(), ["GET manifests/1".to_owned(), config]);
    assert!(mirror.requests().iter().all(|seen| seen.path.starts_with("/v2/hub/all/acme/web/")));
}

#[tokio::test]
async fn a_mirror_that_does_not_help_is_passed_over_in_silence() {
    type Odd = fn(&Seen) -> Response;
    let ways: [(&str, Odd); 9] = [
        ("does not have it", |_| problem(404, "MANIFEST_UNKNOWN")),
        ("stumbles", |_| status(500)),
        ("is in maintenance", |_| status(503)),
        ("has a limit of its own", |_| problem(429, "TOOMANYREQUESTS")),
        ("wants a login", |_| {
            let mut refused = problem(401, "UNAUTHORIZED");
            refused.headers_mut().insert("www-authenticate", "Basic realm=\"mirror\"".parse().unwrap());
            refused
        }),
        ("refuses", |_| problem(403, "DENIED")),
        ("is a web page", |_| ([("content-type", "text/html")], "<html>hello").into_response()),
        ("sends wrong bytes", |seen| {
            let told = sha256(&image().manifest()).to_string();
            let kind = if seen.path.contains("manifests") { IMAGE } else { "application/octet-stream" };
            ([("docker-content-digest", told.as_str()), ("content-type", kind)], "wrong").into_response()
        }),
        ("sends no manifest", |_| ([("content-type", "application/json")], "{}").into_response()),
    ];
    for (way, odd) in ways {
        let (origin, mirror) = (origin().await, Script::start(odd).await);
        let client = client(vec![mirror_of(&origin.host, &mirror.host, None)]);
        let found = client.resolve(&origin.reference("acme/web:1"), &amd64(), None).await;
        assert_eq!(found.unwrap().digest, sha256(&image().manifest()), "{way}");
        assert!(!mirror.asked().is_empty(), "{way}");
        assert_eq!(origin.asked().len(), 2, "{way}");
    }
}

#[tokio::test]
async fn mirrors_are_asked_in_order_and_the_first_that_has_it_answers() {
    let origin = origin().await;
    let empty = Script::start(|_| problem(404, "MANIFEST_UNKNOWN")).await;
    let mut shelf = Shelf::default();
    shelf.image(Some("1"), &image());
    let full = Script::start(move |seen| shelf.answer(seen)).await;
    let mirrors = [&empty, &full].map(|one| mirror_of(&origin.host, &one.host, None));
    client(mirrors.to_vec()).resolve(&origin.reference("acme/web:1"), &amd64(), None).await.unwrap();
    assert_eq!((empty.asked().len(), full.asked().len(), origin.asked().len()), (2, 2, 0));
}

#[tokio::test]
async fn a_mirror_that_is_not_there_is_left_alone_for_a_while() {
    let origin = origin().await;
    let mut gone = vec![];
    for _ in 0..2 {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let host: RegistryHost = listener.local_addr().unwrap().to_string().parse().unwrap();
        gone.push(mirror_of(&origin.host, &host, None));
    }
    let hosts: Vec<_> = gone.iter().map(|mirror| mirror.host.clone()).collect();
    let client = client(gone);
    client.resolve(&origin.reference("acme/web:1"), &amd64(), None).await.unwrap();
    // They are back, but nobody looks yet.
    let back: Vec<_> = hosts.iter().map(|host| std::net::TcpListener::bind(host.as_str()).unwrap()).collect();
    client.resolve(&origin.reference("acme/web:1"), &amd64(), None).await.unwrap();
    for listener in back {
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[tokio::test]
async fn a_login_is_never_seen_by_a_mirror() {
    let mut shelf = Shelf::default();
    shelf.image(Some("1"), &image());
    let challenge = |realm: &str| {
        let mut refused = problem(401, "UNAUTHORIZED");
        refused.headers_mut().insert("www-authenticate", realm.parse().unwrap());
        refused
    };
    let origin = Script::start(move |seen| match seen.header("authorization") {
        Some(_) => shelf.answer(seen),
        None => challenge("Basic realm=\"origin\""),
    })
    .await;
    // One asks for a password, the other sends to a token service of its own.
    let basic = Script::start(move |_| challenge("Basic realm=\"mirror\"")).await;
    let bearer = Arc::new(std::sync::Mutex::new(String::new()));
    let realm = Arc::clone(&bearer);
    let tokens = Script::start(move |seen| match seen.path.as_str() {
        "/token" => r#"{"token":"anonymous"}"#.into_response(),
        _ => challenge(&format!("Bearer realm=\"http://{}/token\"", realm.lock().unwrap())),
    })
    .await;
    tokens.host.as_str().clone_into(&mut bearer.lock().unwrap());
    let mirrors = [&basic, &tokens].map(|one| mirror_of(&origin.host, &one.host, None));
    let owner = CredentialOwner { host: origin.host.clone(), username: "alice".into() };
    let login = Login { owner, password: "open sesame".to_owned().into() };
    let client = client(mirrors.to_vec());
    client.resolve(&origin.reference("acme/web:1"), &amd64(), Some(&login)).await.unwrap();
    assert!(basic.requests().iter().all(|seen| seen.header("authorization").is_none()));
    let asked = tokens.requests();
    assert!(asked.iter().any(|seen| seen.path == "/token"));
    for seen in asked {
        assert!(seen.header("authorization").is_none_or(|shown| shown == "Bearer anonymous"), "{seen:?}");
        assert!(!seen.query.contains("alice") && !seen.text().contains("sesame"));
    }
}

#[tokio::test]
async fn what_no_mirror_has_is_reported_as_the_registry_says_it() {
    let origin = origin().await;
    let mirror = Script::start(|_| status(500)).await;
    let client = client(vec![mirror_of(&origin.host, &mirror.host, None)]);
    let ask = async |reference: &Reference| client.resolve(reference, &amd64(), None).await.unwrap_err();
    let error = ask(&origin.reference("acme/web:2")).await;
    assert_eq!(error.code(), Code::ImageNotFound);
    assert!(error.message().contains(origin.host.as_str()), "{error:?}");
    let about_mirrors = format!("did not help either: `{}`", mirror.host);
    assert!(error.next_step().unwrap().ends_with(&about_mirrors), "{error:?}");
    let reference = origin.reference("acme/web:1");
    drop(origin);
    let error = ask(&reference).await;
    assert_eq!(error.code(), Code::RegistryUnreachable, "{error:?}");
    assert!(error.next_step().unwrap().ends_with(&about_mirrors), "{error:?}");
}
