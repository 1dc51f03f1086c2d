use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use mirage_core::port::Registry;
use mirage_core::{Code, CredentialOwner, Login, Platform, RegistryHost};

use crate::auth::ecr::script::{FakeAws, KEY, SECRET};
use crate::client::RegistryOptions;
use crate::client::link::Link;
use crate::client::script::{Script, Seen, Shelf, TestImage, client, clock, options, problem};

fn amd64() -> Platform {
    "linux/amd64".parse().unwrap()
}

fn eve(script: &Script, password: &str) -> Login {
    let owner = CredentialOwner { host: script.host.clone(), username: "eve".into() };
    Login { owner, password: password.to_owned().into() }
}

fn challenge(realm: &str) -> Response {
    let header =
        format!(r#"Bearer realm="{realm}",service="registry.test",scope="repository:acme/web:pull""#);
    (StatusCode::UNAUTHORIZED, [("www-authenticate", header)], "{}").into_response()
}

/// A registry whose token service is `/token` at `realm_host`, itself where there is none.
async fn guarded(
    realm_host: Option<RegistryHost>,
    token: impl Fn(&Seen) -> Response + Send + Sync + 'static,
    good: impl Fn(&Seen, &str) -> bool + Send + Sync + 'static,
) -> Script {
    let mut shelf = Shelf::default();
    shelf.image(Some("1"), &TestImage::new("amd64", vec![]));
    Script::start(move |seen| {
        let own = seen.header("host").unwrap_or_default().to_owned();
        let realm_host = realm_host.as_ref().map_or(own.as_str(), RegistryHost::as_str);
        if seen.path == "/token" {
            return token(seen);
        }
        match seen.header("authorization") {
            Some(text) if good(seen, text) => shelf.answer(seen),
            _ => challenge(&format!("http://{realm_host}/token")),
        }
    })
    .await
}

#[tokio::test]
async fn an_anonymous_token_is_fetched_once_for_a_repository() {
    let script = guarded(
        None,
        |seen| {
            assert_eq!(seen.query, "service=registry.test&scope=repository%3Aacme%2Fweb%3Apull");
            assert_eq!(seen.header("authorization"), None);
            r#"{"token":"open-sesame","expires_in":300}"#.into_response()
        },
        |_, text| text == "Bearer open-sesame",
    )
    .await;
    client().resolve(&script.reference("acme/web:1"), &amd64(), None).await.unwrap();
    let asked = script.asked();
    assert_eq!(asked[..3], ["GET manifests/1", "GET /token", "GET manifests/1"]);
    assert_eq!(asked.len(), 4, "the configuration needs no new token: {asked:?}");
}

#[tokio::test]
async fn a_token_that_ran_out_is_renewed() {
    let script = guarded(
        None,
        |seen| format!(r#"{{"access_token":"t{}"}}"#, seen.nth).into_response(),
        |seen, text| if seen.path.contains("/blobs/") { text == "Bearer t1" } else { text == "Bearer t0" },
    )
    .await;
    client().resolve(&script.reference("acme/web:1"), &amd64(), None).await.unwrap();
    assert_eq!(script.asked().iter().filter(|asked| *asked == "GET /token").count(), 2);
}

#[tokio::test]
async fn a_token_goes_to_nobody_but_its_registry() {
    let mut shelf = Shelf::default();
    let image = TestImage::new("amd64", vec![]);
    shelf.image(Some("1"), &image);
    let storage = Script::start(move |seen| shelf.answer(seen)).await;
    let target = storage.host.clone();
    let mut shelf = Shelf::default();
    shelf.image(Some("1"), &image);
    let script = Script::start(move |seen| match (seen.path.as_str(), seen.header("authorization")) {
        ("/token", _) => r#"{"token":"secret"}"#.into_response(),
        (_, None) => challenge(&format!("http://{}/token", seen.header("host").unwrap_or_default())),
        (path, Some(_)) if path.contains("/blobs/") => {
            let location = format!("http://{target}{path}?signature=1");
            (StatusCode::TEMPORARY_REDIRECT, [("location", location)]).into_response()
        }
        (path, Some(_)) if path.starts_with("/v2/") => {
            (StatusCode::FOUND, [("location", path.replace("/v2/", "/moved/"))]).into_response()
        }
        _ => shelf.answer(seen),
    })
    .await;
    client().resolve(&script.reference("acme/web:1"), &amd64(), None).await.unwrap();
    let elsewhere = storage.requests();
    assert_eq!(elsewhere.len(), 1);
    assert_eq!((elsewhere[0].header("authorization"), elsewhere[0].query.as_str()), (None, "signature=1"));
    let moved: Vec<_> =
        script.requests().into_iter().filter(|seen| seen.path.starts_with("/moved/")).collect();
    assert!(moved.iter().all(|seen| seen.header("authorization") == Some("Bearer secret")), "{moved:?}");
}

#[tokio::test]
async fn whoever_a_registry_redirects_to_asks_in_vain_for_its_password() {
    for header in [r#"Bearer realm="http://HOST/token",service="x""#, r#"Basic realm="x""#] {
        let storage = Script::start(move |seen| {
            let header = header.replace("HOST", seen.header("host").unwrap_or_default());
            (StatusCode::UNAUTHORIZED, [("www-authenticate", header)]).into_response()
        })
        .await;
        let target = storage.host.clone();
        let script = Script::start(move |seen| {
            let location = format!("http://{target}{}", seen.path);
            (StatusCode::TEMPORARY_REDIRECT, [("location", location)]).into_response()
        })
        .await;
        let (client, login) = (client(), eve(&script, "sesame"));
        let pulled = client.resolve(&script.reference("acme/web:1"), &amd64(), Some(&login)).await;
        assert_eq!(pulled.unwrap_err().code(), Code::RegistryAuthError);
        assert!(client.check_login(&login).await.is_err());
        let shown = storage.requests().into_iter().chain(script.requests());
        assert!(
            shown.into_iter().all(|seen| seen.header("authorization").is_none() && seen.path != "/token")
        );
    }
}

#[tokio::test]
async fn a_registry_that_repeats_the_password_is_not_quoted() {
    let form = "hun%2Fter2%25%C3%A9";
    let basic = "ZXZlOmh1bi90ZXIyJcOp";
    for told in ["hun/ter2%é", basic, form] {
        let long = format!("{} {told}", "x".repeat(195));
        for (status, code, message) in
            [(500, "BROKEN", told), (400, told, "no"), (500, "BROKEN", long.as_str()), (418, "ODD", told)]
        {
            let body = serde_json::json!({ "errors": [{ "code": code, "message": message }] }).to_string();
            let script = Script::start(move |seen| match seen.header("authorization") {
                Some(shown) if shown == format!("Basic {basic}") => {
                    (StatusCode::from_u16(status).unwrap(), body.clone()).into_response()
                }
                _ => (StatusCode::UNAUTHORIZED, [("www-authenticate", "Basic")]).into_response(),
            })
            .await;
            let (client, login) = (client(), eve(&script, "hun/ter2%é"));
            let pulled = client.resolve(&script.reference("acme/web:1"), &amd64(), Some(&login)).await;
            for error in [pulled.unwrap_err(), client.check_login(&login).await.unwrap_err()] {
                let whole = format!("{error:?} {:?} {:?}", error.next_step(), error.cause());
                assert!(!whole.contains("hun") && !whole.contains("ZXZl"), "{whole}");
            }
        }
    }
}

#[tokio::test]
async fn redirects_that_lead_nowhere_good_are_refused() {
    let script = Script::start(|seen| {
        let to = match seen.path.rsplit('/').next().unwrap_or_default() {
            "loop" => seen.path.clone(),
            "file" => "file:///etc/passwd".to_owned(),
            _ => return StatusCode::FOUND.into_response(),
        };
        (StatusCode::FOUND, [("location", to)]).into_response()
    })
    .await;
    for tag in ["loop", "file", "empty"] {
        let error = client()
            .resolve(&script.reference(&format!("acme/web:{tag}")), &amd64(), None)
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::RegistryUnreachable, "{tag}");
        assert!(error.message().contains("redirects to where Mirage does not follow"), "{}", error.message());
    }
}

#[tokio::test]
async fn a_login_that_cannot_be_had_anonymously_is_an_auth_error() {
    let refused = guarded(None, |_| problem(401, "UNAUTHORIZED"), |_, _| false).await;
    let useless = guarded(None, |_| r#"{"token":"useless"}"#.into_response(), |_, _| false).await;
    let basic = Script::start(|_| {
        (StatusCode::UNAUTHORIZED, [("www-authenticate", r#"Basic realm="mirage""#)]).into_response()
    })
    .await;
    for script in [refused, useless, basic] {
        let error = client().resolve(&script.reference("acme/web:1"), &amd64(), None).await.unwrap_err();
        assert_eq!(error.code(), Code::RegistryAuthError, "{error:?}");
        assert!(error.next_step().unwrap().contains("an image that does not exist"));
        assert!(!format!("{error:?}").contains("useless"), "no token in a log");
    }
}

#[tokio::test]
async fn an_endless_token_is_refused() {
    let endless = |_: &Seen| {
        use futures_util::{StreamExt, stream};
        let body = stream::repeat(bytes::Bytes::from(vec![b'x'; 64 << 10])).map(Ok::<_, std::io::Error>);
        axum::body::Body::from_stream(body).into_response()
    };
    let script = guarded(None, endless, |_, _| false).await;
    let error = client().resolve(&script.reference("acme/web:1"), &amd64(), None).await.unwrap_err();
    assert!(error.message().contains("the token of"), "{}", error.message());
}

/// `eve:sesame`, as Basic writes it.
const EVE: &str = "Basic ZXZlOnNlc2FtZQ==";

async fn basic() -> Script {
    let mut shelf = Shelf::default();
    shelf.image(Some("1"), &TestImage::new("amd64", vec![]));
    Script::start(move |seen| match seen.header("authorization") {
        Some(EVE) => shelf.answer(seen),
        _ => (StatusCode::UNAUTHORIZED, [("www-authenticate", r#"Basic realm="x""#)], "{}").into_response(),
    })
    .await
}

#[tokio::test]
async fn a_password_is_shown_when_it_is_asked_for_and_remembered_when_it_was_taken() {
    let script = basic().await;
    let (client, reference) = (client(), script.reference("acme/web:1"));
    let login = eve(&script, "sesame");
    client.resolve(&reference, &amd64(), Some(&login)).await.unwrap();
    client.resolve(&reference, &amd64(), Some(&login)).await.unwrap();
    let shown: Vec<_> = script.requests().iter().map(|seen| seen.header("authorization").is_some()).collect();
    assert_eq!(shown, [false, true, true, true], "asked once without, then always with");
    let error = client.resolve(&reference, &amd64(), None).await.unwrap_err();
    assert_eq!(error.code(), Code::RegistryAuthError, "whoever has no login does not profit from another's");
}

#[tokio::test]
async fn a_wrong_password_is_an_auth_error_that_names_the_user_and_not_the_password() {
    let bearer = guarded(None, |_| problem(401, "UNAUTHORIZED"), |_, _| false).await;
    for script in [basic().await, bearer] {
        let login = eve(&script, "hunter2");
        let error =
            client().resolve(&script.reference("acme/web:1"), &amd64(), Some(&login)).await.unwrap_err();
        assert_eq!(error.code(), Code::RegistryAuthError);
        assert!(error.message().contains("does not accept the login of `eve`"), "{}", error.message());
        let whole = format!("{error:?} {:?} {:?}", error.next_step(), error.cause());
        assert!(!whole.contains("hunter2") && !whole.contains("aHVudGVyMg"), "{whole}");
    }
    let denied = Script::start(|seen| match seen.header("authorization") {
        Some(EVE) => problem(403, "DENIED"),
        _ => (StatusCode::UNAUTHORIZED, [("www-authenticate", "Basic")]).into_response(),
    })
    .await;
    let login = eve(&denied, "sesame");
    let error = client().resolve(&denied.reference("acme/web:1"), &amd64(), Some(&login)).await.unwrap_err();
    assert!(error.message().contains("does not let `eve` pull"), "{}", error.message());
}

#[tokio::test]
async fn a_token_service_is_shown_the_password_and_the_registry_only_the_token() {
    let script = guarded(
        None,
        |seen| match seen.header("authorization") {
            Some(EVE) => r#"{"token":"for-eve"}"#.into_response(),
            _ => problem(401, "UNAUTHORIZED"),
        },
        |_, text| text == "Bearer for-eve",
    )
    .await;
    let login = eve(&script, "sesame");
    client().resolve(&script.reference("acme/web:1"), &amd64(), Some(&login)).await.unwrap();
    let requests = script.requests();
    let with_password: Vec<_> = requests
        .iter()
        .filter(|seen| seen.header("authorization") == Some(EVE))
        .map(|seen| &seen.path)
        .collect();
    assert_eq!(with_password, ["/token"]);
    let query = &requests.iter().find(|seen| seen.path == "/token").unwrap().query;
    assert!(query.ends_with("&account=eve"), "{query}");
}

#[tokio::test]
async fn an_identity_token_is_exchanged_by_oauth2() {
    let script = guarded(
        None,
        |seen| {
            assert_eq!(
                seen.text(),
                "service=registry%2Etest&scope=repository%3Aacme%2Fweb%3Apull&grant_type=refresh%5Ftoken\
                 &refresh_token=iden%2Btity&client_id=mirage"
            );
            r#"{"access_token":"short"}"#.into_response()
        },
        |_, text| text == "Bearer short",
    )
    .await;
    let owner = CredentialOwner { host: script.host.clone(), username: "<token>".into() };
    let login = Login { owner, password: "iden+tity".to_owned().into() };
    client().resolve(&script.reference("acme/web:1"), &amd64(), Some(&login)).await.unwrap();
    assert!(script.asked().contains(&"POST /token".to_owned()));
}

#[tokio::test]
async fn a_token_service_that_knows_oauth2_alone_gets_the_password_by_it() {
    let script = guarded(
        None,
        |seen| match seen.method.as_str() {
            "POST" if seen.text().contains("grant_type=password&username=eve&password=sesame&") => {
                r#"{"access_token":"short"}"#.into_response()
            }
            "POST" => problem(401, "UNAUTHORIZED"),
            _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        },
        |_, text| text == "Bearer short",
    )
    .await;
    let login = eve(&script, "sesame");
    client().resolve(&script.reference("acme/web:1"), &amd64(), Some(&login)).await.unwrap();
}

#[tokio::test]
async fn a_password_does_not_go_to_a_host_that_was_named_without_tls() {
    let thief = Script::start(|_| r#"{"token":"thanks"}"#.into_response()).await;
    // The same machine under another name is another host.
    let elsewhere = thief.host.as_str().replace("127.0.0.1", "localhost").parse().unwrap();
    let script = guarded(Some(elsewhere), |_| problem(500, ""), |_, _| false).await;
    let login = eve(&script, "sesame");
    let error = client().resolve(&script.reference("acme/web:1"), &amd64(), Some(&login)).await.unwrap_err();
    assert_eq!(error.code(), Code::RegistryAuthError);
    assert!(error.message().contains("wants the password sent to `localhost`"), "{}", error.message());
    assert!(thief.requests().is_empty());
}

#[tokio::test]
async fn a_token_service_that_redirects_takes_no_secret_along() {
    let thief = Script::start(|_| r#"{"token":"thanks"}"#.into_response()).await;
    let to = format!("http://{}/token", thief.host);
    let moved = move |_: &Seen| (StatusCode::TEMPORARY_REDIRECT, [("location", to.clone())]).into_response();
    let script = guarded(None, moved, |_, _| false).await;
    let owner = |username: &str| CredentialOwner { host: script.host.clone(), username: username.into() };
    for username in ["eve", "<token>"] {
        let login = Login { owner: owner(username), password: "sesame".to_owned().into() };
        let client = client();
        assert!(client.resolve(&script.reference("acme/web:1"), &amd64(), Some(&login)).await.is_err());
    }
    for seen in thief.requests() {
        assert_eq!((seen.header("authorization"), seen.text()), (None, ""));
    }
}

#[tokio::test]
async fn an_access_key_of_amazon_is_shown_to_amazon_and_its_registry_gets_the_password_made_of_it() {
    let aws = FakeAws::start(clock()).await;
    let options = RegistryOptions { ecr_endpoint: Some(aws.url.clone()), ..options() };
    let link = Link::new(options, 7, aws.clock.clone()).unwrap();
    let owner = |host: &str, username: &str| CredentialOwner {
        host: host.parse().unwrap(),
        username: username.into(),
    };
    let registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    let key = Login { owner: owner(registry, KEY), password: SECRET.to_owned().into() };
    assert_eq!(link.taken(&key).await.unwrap().owner, owner(registry, "AWS"));
    let other = Login { owner: owner("ghcr.io", KEY), password: SECRET.to_owned().into() };
    assert_eq!(link.taken(&other).await.unwrap().owner, owner("ghcr.io", KEY));
    assert_eq!((aws.minted(), aws.asked()), (1, 1), "the secret went nowhere else");
}

#[tokio::test]
async fn two_hundred_preflights_of_fifty_images_ask_for_each_once_and_log_in_once_for_a_scope() {
    let mut shelf = Shelf::default();
    for tag in 0..50_u8 {
        shelf.image(Some(&tag.to_string()), &TestImage::new("amd64", vec![vec![tag; 10]]));
    }
    let script = Script::start(move |seen| {
        let own = seen.header("host").unwrap_or_default();
        if let Some((_, scope)) = seen.query.split_once("scope=repository%3Aacme%2F") {
            assert_eq!(seen.header("authorization"), Some(EVE));
            let repository = scope.split('%').next().unwrap_or_default();
            return format!(r#"{{"token":"for-{repository}","expires_in":300}}"#).into_response();
        }
        let repository = seen.path.split('/').nth(3).unwrap_or_default();
        match seen.header("authorization") {
            Some(shown) if shown == format!("Bearer for-{repository}") => shelf.answer(seen),
            _ => challenge(&format!("http://{own}/token")),
        }
    })
    .await;
    let (client, login) = (client(), eve(&script, "sesame"));
    let images: Vec<_> =
        (0..200).map(|n| script.reference(&format!("acme/web{}:{}", n % 10, n % 50))).collect();
    let platform = amd64();
    let preflights = images.iter().map(|image| client.resolve(image, &platform, Some(&login)));
    let resolved = futures_util::future::join_all(preflights).await;
    assert!(resolved.iter().all(Result::is_ok));
    let digests: std::collections::HashSet<_> =
        resolved.into_iter().flatten().map(|one| one.digest).collect();
    assert_eq!(digests.len(), 50);

    let requests = script.requests();
    let count = |wanted: &dyn Fn(&Seen) -> bool| requests.iter().filter(|seen| wanted(seen)).count();
    let answered =
        |seen: &Seen| seen.header("authorization").is_some_and(|shown| shown.starts_with("Bearer"));
    assert_eq!(count(&|seen| seen.path.contains("/manifests/") && answered(seen)), 50);
    assert_eq!(count(&|seen| seen.path.contains("/blobs/")), 50, "configurations");
    assert_eq!(count(&|seen| seen.path == "/token"), 10, "one login for each repository");
    assert!(count(&|seen| seen.path.contains("/manifests/") && !answered(seen)) <= 50);
}
