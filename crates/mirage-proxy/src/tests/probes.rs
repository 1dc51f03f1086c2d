use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use mirage_core::port::Router;
use mirage_core::{HttpCheck, ProbeFailure};
use tokio::io::AsyncWriteExt;

use super::bed::{Instance, full, nowhere, read_head};
use crate::ProxyHandle;

const LIMIT: Duration = Duration::from_millis(300);

async fn probe(address: SocketAddr, path: Option<&str>) -> Result<(), ProbeFailure> {
    let check = path.map(|path| HttpCheck { path: path.to_owned(), ..HttpCheck::default() });
    ask(address, check.as_ref()).await
}

async fn ask(address: SocketAddr, check: Option<&HttpCheck>) -> Result<(), ProbeFailure> {
    // Probing needs no proxy.
    let handle = ProxyHandle::new(std::path::Path::new("/nonexistent"));
    handle.probe(address, check, LIMIT).await
}

#[tokio::test]
async fn without_a_path_accepting_a_connection_is_enough() {
    let web = Instance::raw(|_| async {}).await;
    assert_eq!(probe(web.backend.address, None).await, Ok(()));
    assert_eq!(probe(nowhere().await.address, None).await, Err(ProbeFailure::Refused));
}

#[tokio::test]
async fn with_a_path_the_answer_counts() {
    let web = Instance::answering(|request: Request<Incoming>| async move {
        assert_eq!(request.headers()["host"], "localhost");
        assert_eq!(request.headers()["user-agent"], "mirage-probe");
        let status = match request.uri().path() {
            "/well" => 204,
            "/moved" => 302,
            "/ill" => 503,
            _ => 404,
        };
        Response::builder().status(status).header("location", "/ill").body(full("x".repeat(100_000))).unwrap()
    })
    .await;
    let address = web.backend.address;
    assert_eq!(probe(address, Some("/well")).await, Ok(()));
    assert_eq!(probe(address, Some("well?deep=1")).await, Ok(()));
    assert_eq!(probe(address, Some("/moved")).await, Ok(()));
    assert_eq!(probe(address, Some("/ill")).await, Err(ProbeFailure::Status(503)));
    assert_eq!(probe(address, Some("/")).await, Err(ProbeFailure::Status(404)));
    assert_eq!(probe(nowhere().await.address, Some("/")).await, Err(ProbeFailure::Refused));
    assert!(matches!(probe(address, Some("/a b")).await, Err(ProbeFailure::Broken(_))));
}

#[tokio::test]
async fn only_an_expected_status_is_a_good_answer() {
    let web = Instance::answering(|request: Request<Incoming>| async move {
        let status: u16 = request.uri().path().trim_start_matches('/').parse().unwrap();
        Response::builder().status(status).header("location", "/500").body(full("")).unwrap()
    })
    .await;
    let asked = |status: u16, expected: &str| {
        let expected = expected.parse().unwrap();
        let check = HttpCheck { path: format!("/{status}"), expected, ..HttpCheck::default() };
        let address = web.backend.address;
        async move { ask(address, Some(&check)).await }
    };
    assert_eq!(asked(200, "200-299").await, Ok(()));
    assert_eq!(asked(302, "200-299").await, Err(ProbeFailure::Status(302)));
    assert_eq!(asked(302, "302").await, Ok(()), "where it leads to is not asked");
    assert_eq!(asked(200, "302").await, Err(ProbeFailure::Status(200)));
    assert_eq!(asked(401, "200,401").await, Ok(()));
    assert_eq!(asked(500, "200-399").await.unwrap_err().to_string(), "status 500");
}

#[tokio::test]
async fn a_host_that_an_application_insists_on_can_be_named() {
    let web = Instance::answering(|request: Request<Incoming>| async move {
        let status = if request.headers()["host"] == "shop.example:8443" { 200 } else { 421 };
        Response::builder().status(status).body(full("")).unwrap()
    })
    .await;
    let named = |host: Option<&str>| {
        let host = host.map(str::to_owned);
        let check = HttpCheck { path: "/".into(), host, ..HttpCheck::default() };
        let address = web.backend.address;
        async move { ask(address, Some(&check)).await }
    };
    assert_eq!(named(None).await, Err(ProbeFailure::Status(421)));
    assert_eq!(named(Some("shop.example:8443")).await, Ok(()));
    let broken = named(Some("a\r\nb: c")).await.unwrap_err();
    assert_eq!(broken.to_string(), "`a\\r\\nb: c` is not a host");
}

#[tokio::test]
async fn silence_and_nonsense_are_told_apart() {
    let silent = Instance::raw(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    assert_eq!(probe(silent.backend.address, Some("/")).await, Err(ProbeFailure::TimedOut));

    let other = Instance::raw(|mut stream| async move {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await;
        read_head(&mut stream).await;
    })
    .await;
    assert_eq!(
        probe(other.backend.address, Some("/")).await,
        Err(ProbeFailure::Broken("the answer is not HTTP".into()))
    );

    let curt = Instance::raw(|mut stream| async move { drop(read_head(&mut stream).await) }).await;
    assert_eq!(
        probe(curt.backend.address, Some("/")).await,
        Err(ProbeFailure::Broken("the connection closed without an answer".into()))
    );
}
