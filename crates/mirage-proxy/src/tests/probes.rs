use std::net::SocketAddr;

use http::{Request, Response};
use hyper::body::Incoming;
use mirage_core::port::Router;
use mirage_core::{Probe, ProbeFailure};
use tokio::io::AsyncWriteExt;

use super::bed::{Instance, full, nowhere, read_head};
use crate::ProxyHandle;

async fn probe(address: SocketAddr, path: Option<&str>) -> Result<(), ProbeFailure> {
    // Probing needs no proxy.
    let handle = ProxyHandle::new(std::path::Path::new("/nonexistent"));
    let probe = Probe { path: path.map(str::to_owned), timeout_millis: 300, ..Probe::default() };
    handle.probe(address, &probe).await
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
