//! Tokens that end before the pull does.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use mirage_core::Reference;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

use super::{Machine, large_layer, layer};
use crate::client::script::{DebianRegistry, Script, Shelf, TestImage, TokenService, push, sha256};

/// Bytes that [`slow_way`] lets through at a time, and the pause after them.
const STRIDE: (usize, Duration) = (32 << 10, Duration::from_millis(40));

/// A way to `target` on which four layers of [`LAYER_BYTES`] take longer than two seconds.
async fn slow_way(target: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let target = target.clone();
            tokio::spawn(async move {
                let server = TcpStream::connect(target).await.unwrap();
                let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
                let mut bytes = vec![0; STRIDE.0];
                while let Ok(length @ 1..) = from_server.read(&mut bytes).await {
                    if to_client.write_all(&bytes[..length]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(STRIDE.1.mul_f64(length as f64 / STRIDE.0 as f64)).await;
                }
            });
        }
    });
    address
}

/// Letters, of which a byte holds less than five bits: packed, still some 1.9 MiB.
const LAYER_BYTES: usize = 3 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_that_takes_longer_than_its_token_succeeds() {
    let test = "a_pull_that_takes_longer_than_its_token_succeeds";
    let Some(tokens) = TokenService::start(test) else { return };
    let Some(registry) = DebianRegistry::start_with_tokens(test, &tokens) else { return };
    let mut layers: Vec<_> = (1..=4).map(|seed| large_layer(seed, LAYER_BYTES)).collect();
    layers.push(layer(&[("name", "the smallest comes last")]));
    let way = slow_way(registry.host.to_string()).await;
    let image = TestImage::new("amd64", layers);
    push(&image, &registry.reference("public/web:1"), &["--dest-creds", "alice:open sesame"]);
    let reference: Reference = format!("{way}/public/web:1").parse().unwrap();

    // First it is said how long a token is good, then something else is said.
    for (claimed, refused) in [(None, 0), (Some(300), 1)] {
        tokens.rule(|rules| (rules.life, rules.claimed) = (2, claimed));
        let machine = Machine::new();
        let resolved = machine.resolve(&reference).await;
        let (given, seen) = (tokens.given("repository:public/web:pull"), registry.requests().len());
        machine.pull(&resolved).await.unwrap();
        assert_eq!(machine.read(&resolved, "name").await.as_deref(), Some("the smallest comes last"));
        assert!(tokens.given("repository:public/web:pull") > given, "another token within the pull");
        let requests = registry.requests().into_iter().skip(seen);
        let refusals = requests.filter(|one| one.status == 401 && one.path.contains("/blobs/")).count();
        assert!(refusals >= refused, "{refusals} of {refused} were refused");
    }
}

#[tokio::test]
async fn a_token_that_is_refused_in_the_middle_is_renewed_once_for_all_transfers() {
    let image = TestImage::new("amd64", (0..4).map(|n| layer(&[(&format!("file-{n}"), "it")])).collect());
    let layers: Vec<_> = image.layers.iter().map(|layer| sha256(layer)).collect();
    let mut shelf = Shelf::default();
    shelf.image(Some("1"), &image);
    // Challenge, token, manifest, configuration; four layers at once, one token for them all, and once more.
    let script = Script::start_in_waves(&[1, 1, 1, 1, 4, 1, 4], move |seen| {
        if seen.path == "/token" {
            return format!(r#"{{"token":"t{}","expires_in":300}}"#, seen.nth).into_response();
        }
        let good = if layers.iter().any(|layer| seen.is_blob(layer)) { "Bearer t1" } else { "Bearer t0" };
        if seen.header("authorization") == Some(good) {
            return shelf.answer(seen);
        }
        let realm = format!("http://{}/token", seen.header("host").unwrap_or_default());
        let header = format!(r#"Bearer realm="{realm}",service="registry.test""#);
        (StatusCode::UNAUTHORIZED, [("www-authenticate", header)], "{}").into_response()
    })
    .await;
    let machine = Machine::new();
    let resolved = machine.resolve(&script.reference("acme/web:1")).await;
    machine.pull(&resolved).await.unwrap();
    let asked = script.asked();
    assert_eq!(asked.iter().filter(|one| *one == "GET /token").count(), 2, "{asked:#?}");
    assert_eq!(asked.len(), 13, "{asked:#?}");
}
