use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use http::{Method, StatusCode};
use mirage_core::DigestAlgorithm;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::UploadLimits;
use super::bench::{Bench, basic, sha256};
use crate::hash::digest_of;

#[tokio::test]
async fn a_blob_arrives_in_chunks_that_follow_each_other() {
    let bench = Bench::new();
    let upload = bench.start("acme/web").await;
    let status = bench.get(&upload).await;
    assert_eq!((status.status, status.header("range")), (StatusCode::NO_CONTENT, "0-0"));

    let chunk = |range: &'static str, bytes: &'static str| {
        let length = bytes.len().to_string();
        let (bench, upload) = (&bench, upload.clone());
        async move {
            let headers = [("content-range", range), ("content-length", length.as_str())];
            bench.send_with(Method::PATCH, &upload, &headers, bytes).await
        }
    };
    let first = chunk("0-4", "hello").await;
    assert_eq!((first.status, first.header("range")), (StatusCode::ACCEPTED, "0-4"));
    assert_eq!(first.header("location"), upload);

    let gap = chunk("6-10", "world").await;
    assert_eq!(gap.fault(), "416 BLOB_UPLOAD_INVALID");
    assert_eq!((gap.header("range"), gap.header("location")), ("0-4", upload.as_str()));
    assert_eq!(chunk("0-4", "again").await.fault(), "416 BLOB_UPLOAD_INVALID");
    assert_eq!(chunk("5-20", "short").await.fault(), "400 SIZE_INVALID");
    assert_eq!(chunk("x-20", "wrong").await.fault(), "400 BLOB_UPLOAD_INVALID");

    assert_eq!(chunk("5-9", ", wor").await.header("range"), "0-9");
    let digest = sha256(b"hello, world");
    let last = bench.send(Method::PUT, &format!("{upload}?digest={digest}"), "ld").await;
    assert_eq!(last.status, StatusCode::CREATED, "{last:?}");
    assert_eq!(last.header("location"), format!("/v2/acme/web/blobs/{digest}"));
    assert_eq!(last.header("docker-content-digest"), digest.to_string());
    assert_eq!(bench.get(last.header("location")).await.body, b"hello, world");
    assert_eq!(bench.get(&upload).await.fault(), "404 BLOB_UPLOAD_UNKNOWN");
    assert_eq!(bench.unfinished_files(), 0);
}

#[tokio::test]
async fn a_wrong_digest_leaves_nothing() {
    let bench = Bench::new();
    let upload = bench.start("acme/web").await;
    bench.send(Method::PATCH, &upload, "hello").await;
    let other = sha256(b"other");
    let refused = bench.send(Method::PUT, &format!("{upload}?digest={other}"), "").await;
    assert_eq!(refused.fault(), "400 DIGEST_INVALID");
    assert_eq!(bench.get(&upload).await.fault(), "404 BLOB_UPLOAD_UNKNOWN");
    let refused =
        bench.send(Method::POST, &format!("/v2/acme/web/blobs/uploads/?digest={other}"), "hello").await;
    assert_eq!(refused.fault(), "400 DIGEST_INVALID");
    assert_eq!(bench.get(&format!("/v2/acme/web/blobs/{other}")).await.fault(), "404 BLOB_UNKNOWN");
    let real = sha256(b"hello");
    assert_eq!(bench.get(&format!("/v2/acme/web/blobs/{real}")).await.fault(), "404 BLOB_UNKNOWN");
    assert_eq!(bench.unfinished_files(), 0);
    assert!(!bench.state.store.has_blob(&other));
}

#[tokio::test]
async fn an_upload_is_finished_with_a_digest_only() {
    let bench = Bench::new();
    let upload = bench.start("web").await;
    assert_eq!(bench.send(Method::PUT, &upload, "x").await.fault(), "400 DIGEST_INVALID");
    assert_eq!(
        bench.send(Method::PUT, &format!("{upload}?digest=sha256:12"), "x").await.fault(),
        "400 DIGEST_INVALID"
    );
    let refused = bench.send(Method::POST, "/v2/web/blobs/uploads/?digest=md5:12", "x").await;
    assert_eq!(refused.fault(), "400 DIGEST_INVALID");
    let long = digest_of(DigestAlgorithm::Sha512, b"x");
    let finished = bench.send(Method::PUT, &format!("{upload}?digest={long}"), "x").await;
    assert_eq!(finished.status, StatusCode::CREATED, "{finished:?}");
    assert_eq!(bench.get(&format!("/v2/web/blobs/{long}")).await.body, b"x");
}

#[tokio::test]
async fn an_upload_belongs_to_its_repository_and_can_be_given_up() {
    let bench = Bench::new();
    let upload = bench.start("acme/web").await;
    bench.send(Method::PATCH, &upload, "hello").await;
    let elsewhere = upload.replace("acme/web", "acme/other");
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        assert_eq!(bench.send(method, &elsewhere, "").await.fault(), "404 BLOB_UPLOAD_UNKNOWN");
    }
    assert_eq!(bench.unfinished_files(), 1);
    assert_eq!(bench.send(Method::DELETE, &upload, "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(bench.unfinished_files(), 0);
    assert_eq!(bench.send(Method::DELETE, &upload, "").await.fault(), "404 BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn uploads_are_bounded_in_number_and_the_abandoned_make_room() {
    let bench = Bench::new();
    for _ in 0..3 {
        bench.start("web").await;
    }
    let refused = bench.send(Method::POST, "/v2/web/blobs/uploads/", "").await;
    assert_eq!((refused.fault().as_str(), refused.header("retry-after")), ("429 TOOMANYREQUESTS", "30"));

    bench.clock.advance(Duration::from_secs(59));
    let kept = bench.send(Method::POST, "/v2/web/blobs/uploads/", "").await;
    assert_eq!(kept.fault(), "429 TOOMANYREQUESTS");
    bench.clock.advance(Duration::from_secs(1));
    bench.start("web").await;
    assert_eq!(bench.unfinished_files(), 3, "the one that rested the longest made room");
    bench.clock.advance(Duration::from_secs(3601));
    bench.start("web").await;
    assert_eq!(bench.unfinished_files(), 1);
    bench.clock.advance(Duration::from_secs(3601));
    assert_eq!(bench.state.uploads.expire(), 1);
    assert_eq!(bench.unfinished_files(), 0);
}

#[tokio::test]
async fn a_blob_over_the_limit_is_refused_while_it_arrives() {
    let bench = Bench::with_limits(UploadLimits {
        sessions: 3,
        blob_bytes: 1_000_000,
        idle: Duration::from_secs(60),
    });
    let upload = bench.start("web").await;
    let announced = bench.send_with(Method::PATCH, &upload, &[("content-length", "1000001")], "").await;
    assert_eq!(announced.fault(), "413 SIZE_INVALID");

    let unannounced = Body::from_stream(stream::iter(
        (0..10_000).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[7; 1000]))),
    ));
    assert_eq!(bench.send(Method::PATCH, &upload, unannounced).await.fault(), "413 SIZE_INVALID");
    assert_eq!(bench.get(&upload).await.fault(), "404 BLOB_UPLOAD_UNKNOWN");
    assert_eq!(bench.unfinished_files(), 0);
}

#[tokio::test]
async fn a_broken_upload_goes_on_where_it_broke() {
    let bench = Bench::new();
    let upload = bench.start("web").await;
    let broken = Body::from_stream(stream::iter([
        Ok(Bytes::from_static(b"hello")),
        Err(std::io::Error::other("the cable was pulled")),
    ]));
    assert_eq!(bench.send(Method::PATCH, &upload, broken).await.fault(), "400 SIZE_INVALID");
    assert_eq!(bench.get(&upload).await.header("range"), "0-4");
    let digest = sha256(b"hello, world");
    let headers = [("content-range", "5-11"), ("content-length", "7")];
    let finished =
        bench.send_with(Method::PUT, &format!("{upload}?digest={digest}"), &headers, ", world").await;
    assert_eq!(finished.status, StatusCode::CREATED, "{finished:?}");
}

#[tokio::test]
async fn a_whole_blob_that_breaks_off_leaves_nothing() {
    let bench = Bench::new();
    let broken = Body::from_stream(stream::iter([
        Ok(Bytes::from_static(b"hello")),
        Err(std::io::Error::other("the cable was pulled")),
    ]));
    let path = format!("/v2/web/blobs/uploads/?digest={}", sha256(b"hello, world"));
    assert_eq!(bench.send(Method::POST, &path, broken).await.fault(), "400 SIZE_INVALID");
    assert_eq!(bench.unfinished_files(), 0);
    for _ in 0..3 {
        bench.start("web").await;
    }
}

#[tokio::test]
async fn two_uploads_of_one_blob_are_fine() {
    let bench = Bench::new();
    let bytes = vec![3_u8; 2 << 20];
    let digest = sha256(&bytes);
    let (one, two) = (bench.start("one").await, bench.start("two").await);
    let (one, two) = (format!("{one}?digest={digest}"), format!("{two}?digest={digest}"));
    let (one, two) = tokio::join!(
        bench.send(Method::PUT, &one, bytes.clone()),
        bench.send(Method::PUT, &two, bytes.clone())
    );
    assert_eq!((one.status, two.status), (StatusCode::CREATED, StatusCode::CREATED));
    for repository in ["one", "two"] {
        assert_eq!(bench.get(&format!("/v2/{repository}/blobs/{digest}")).await.body, bytes);
    }
    assert_eq!(bench.unfinished_files(), 0);
}

/// A client that vanishes in the middle of a chunk: its upload is handed back and can be resumed.
#[tokio::test]
async fn a_vanished_client_can_come_back() {
    let bench = Bench::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum::serve(listener, bench.router()).into_future());
    let upload = bench.start("web").await;

    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "PATCH {upload} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-length: 1000\r\n\r\nhello",
        basic("all")
    );
    client.write_all(head.as_bytes()).await.unwrap();
    // The server has the upload in hand once a second request meets the conflict.
    while bench.send(Method::PATCH, &upload, "").await.status != StatusCode::CONFLICT {
        tokio::task::yield_now().await;
    }
    drop(client);
    let mut answer = bench.send(Method::PATCH, &upload, "").await;
    while answer.status == StatusCode::CONFLICT {
        tokio::task::yield_now().await;
        answer = bench.send(Method::PATCH, &upload, "").await;
    }
    assert_eq!((answer.status, answer.header("range")), (StatusCode::ACCEPTED, "0-4"));
    server.abort();
}

#[tokio::test]
async fn a_blob_of_many_pieces_arrives_whole_over_a_socket() {
    let bench = Bench::new();
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|n| (n % 251) as u8).collect();
    let digest = bench.blob("web", &bytes).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum::serve(listener, bench.router()).into_future());
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET /v2/web/blobs/{digest} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\nconnection: close\r\n\r\n",
        basic("all")
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert!(answer.ends_with(&bytes));
    server.abort();
}
