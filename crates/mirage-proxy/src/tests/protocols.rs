use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::bed::{Bed, HOST, Instance, PATIENCE, empty, full, nowhere, read_head};

pub(super) async fn http2_client(bed: &Bed) -> http2::SendRequest<BoxBody<Bytes, hyper::Error>> {
    let stream = TcpStream::connect(bed.address).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

pub(super) fn target(path: &str) -> String {
    format!("http://{HOST}{path}")
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_passed_on_as_http1() {
    let bed = Bed::start().await;
    let web = Instance::answering(|request: Request<Incoming>| async move {
        let text = format!("{:?} {} {:?}", request.version(), request.uri(), request.headers().get("host"));
        Response::builder().header("connection", "close").body(full(text)).unwrap()
    })
    .await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let client = http2_client(&bed).await;
    let mut answers = Vec::new();
    for _ in 0..20 {
        let mut client = client.clone();
        answers.push(tokio::spawn(async move {
            client.send_request(Request::get(target("/x?y")).body(empty()).unwrap()).await.unwrap()
        }));
    }
    for answer in answers {
        let answer = answer.await.unwrap();
        assert_eq!((answer.status(), answer.version()), (StatusCode::OK, Version::HTTP_2));
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(text, format!("HTTP/1.1 /x?y Some(\"{HOST}\")"));
    }
    let unknown = Request::get("http://other.example/").body(empty()).unwrap();
    assert_eq!(client.clone().send_request(unknown).await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_http2_connection_may_rest_longer_than_a_head_may_take() {
    let bed = Bed::start_with(|config| {
        config.limits.head_time = Duration::from_millis(100);
        config.limits.idle_time = Duration::from_secs(60);
    })
    .await;
    let web = Instance::saying("fine").await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let mut client = http2_client(&bed).await;
    let ask = || Request::get(target("/")).body(empty()).unwrap();
    assert_eq!(client.send_request(ask()).await.unwrap().status(), StatusCode::OK);
    // Three beats: nothing happens, and that is the point.
    tokio::time::sleep(Duration::from_millis(1600)).await;
    assert_eq!(client.send_request(ask()).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn grpc_keeps_http2_and_its_trailers_all_the_way() {
    let bed = Bed::start().await;
    let service = Instance::answering(|request: Request<Incoming>| async move {
        assert_eq!(request.version(), Version::HTTP_2);
        assert_eq!(request.headers()["te"], "trailers");
        assert_eq!(request.uri().host(), Some(HOST));
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let frames = stream::iter([Ok(Frame::data(body)), Ok(Frame::trailers(trailers))]);
        Response::builder()
            .header("content-type", "application/grpc")
            .body(StreamBody::new(frames).boxed())
            .unwrap()
    })
    .await;
    bed.deploy(1, std::slice::from_ref(&service.backend)).await;
    let mut client = http2_client(&bed).await;
    for _ in 0..3 {
        let call = Request::post(target("/pkg.Service/Call"))
            .header("content-type", "application/grpc+proto")
            .header("te", "trailers")
            .body(full(vec![7; 100_000]))
            .unwrap();
        let answer = client.send_request(call).await.unwrap();
        let whole = answer.into_body().collect().await.unwrap();
        assert_eq!(whole.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(whole.to_bytes().len(), 100_000);
    }
    assert!(service.accepted() <= 2, "one connection per worker carries all calls");
    until_idle(&bed).await;
}

#[tokio::test]
async fn a_grpc_client_hears_of_failure_in_its_own_words() {
    let bed = Bed::start().await;
    bed.deploy(1, &[nowhere().await]).await;
    let call = Request::post(target("/pkg.Service/Call"))
        .header("content-type", "application/grpc")
        .body(full("x"))
        .unwrap();
    let answer = http2_client(&bed).await.send_request(call).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["grpc-status"], "14");
    assert_eq!(answer.headers()["grpc-message"], "The service web did not accept the connection");
}

#[tokio::test]
async fn trailers_pass_over_http1_as_well() {
    let bed = Bed::start().await;
    let web = Instance::raw(|mut stream| async move {
        read_head(&mut stream).await;
        let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 9\r\n\r\n";
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let answer = bed
        .say(&format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nTE: trailers\r\nConnection: close, te\r\n\r\n"))
        .await;
    assert!(answer.ends_with("2\r\nok\r\n0\r\nx-sum: 9\r\n\r\n"), "{answer}");
}

/// A backend that agrees to any upgrade and then says everything twice.
async fn doubling() -> Instance {
    Instance::raw(|mut stream| async move {
        let head = read_head(&mut stream).await.to_lowercase();
        assert!(head.contains("connection: upgrade\r\n") && head.contains("upgrade: websocket\r\n"), "{head}");
        let agreed = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Key: k\r\n\r\nhello";
        stream.write_all(agreed.as_bytes()).await.unwrap();
        let mut piece = [0; 1024];
        while let Ok(length @ 1..) = stream.read(&mut piece).await {
            let twice = [&piece[..length], &piece[..length]].concat();
            stream.write_all(&twice).await.unwrap();
        }
    })
    .await
}

const HANDSHAKE: &str = "GET /socket HTTP/1.1\r\nHost: web-production.localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";

#[tokio::test]
async fn a_websocket_carries_bytes_both_ways_until_either_side_ends_it() {
    let bed = Bed::start().await;
    let web = doubling().await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let mut socket = TcpStream::connect(bed.address).await.unwrap();
    socket.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    let mut head = read_head(&mut socket).await;
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    for field in ["connection: upgrade\r\n", "upgrade: websocket\r\n", "x-key: k\r\n"] {
        assert!(head.to_lowercase().contains(field), "{head}");
    }
    while !head.ends_with("hello") {
        head.push(char::from(socket.read_u8().await.unwrap()));
    }
    for word in ["one", "two"] {
        socket.write_all(word.as_bytes()).await.unwrap();
        let mut echo = [0; 6];
        socket.read_exact(&mut echo).await.unwrap();
        assert_eq!(echo, word.repeat(2).as_bytes());
    }
    let open = bed.handle.status().await.unwrap().open;
    assert_eq!((open.requests, open.upgraded), (0, 1));
    socket.shutdown().await.unwrap();
    assert_eq!(socket.read(&mut [0; 8]).await.unwrap(), 0);
    until_idle(&bed).await;
}

#[tokio::test]
async fn a_websocket_is_told_to_close_when_its_backend_is_drained() {
    let bed = Bed::start().await;
    let web = Instance::raw(|mut stream| async move {
        read_head(&mut stream).await;
        let agreed = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        stream.write_all(agreed.as_bytes()).await.unwrap();
        stream.write_all(&[0x81, 2, b'h', b'i']).await.unwrap();
        // Its first words are a masked close frame, and it answers with one.
        let mut said = [0; 8];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(said[..2], [0x88, 0x82]);
        stream.write_all(&[0x88, 2, 0x03, 0xe9]).await.unwrap();
    })
    .await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let mut socket = TcpStream::connect(bed.address).await.unwrap();
    socket.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    // The greeting may come with the head.
    let mut said = read_head(&mut socket).await;
    while !said.ends_with("hi") {
        said.push(char::from(socket.read_u8().await.unwrap()));
    }
    bed.deploy(2, &[]).await;
    let client = async {
        let mut close = [0; 4];
        socket.read_exact(&mut close).await.unwrap();
        assert_eq!(close, [0x88, 2, 0x03, 0xe9], "1001, going away");
        socket.write_all(&[0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xe9 ^ 2]).await.unwrap();
        assert_eq!(socket.read(&mut [0; 8]).await.unwrap(), 0);
    };
    let (open, ()) = tokio::join!(bed.handle.drain_open(web.backend.instance, PATIENCE), client);
    assert_eq!(open.unwrap().total(), 0);
}

#[tokio::test]
async fn a_backend_that_declines_an_upgrade_answers_as_usual() {
    let bed = Bed::start().await;
    let web = Instance::saying("no sockets here").await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let mut socket = TcpStream::connect(bed.address).await.unwrap();
    socket.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    let head = read_head(&mut socket).await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    until_idle(&bed).await;
}

#[tokio::test]
async fn an_upgrade_to_h2c_is_not_passed_on() {
    let bed = Bed::start().await;
    let upgrades = Arc::new(AtomicUsize::new(0));
    let count = upgrades.clone();
    let web = Instance::answering(move |request: Request<Incoming>| {
        count.fetch_add(usize::from(request.headers().contains_key("upgrade")), SeqCst);
        async { Response::new(full("plain")) }
    })
    .await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let answer = bed
        .say(&format!(
            "GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n\
             HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("plain"), "{answer}");
    assert_eq!(upgrades.load(SeqCst), 0);
}

#[tokio::test]
async fn switching_protocols_unasked_is_a_bad_gateway() {
    let bed = Bed::start().await;
    let odd = Instance::raw(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
            .await;
        let _ = stream.read(&mut [0; 1]).await;
    })
    .await;
    bed.deploy(1, std::slice::from_ref(&odd.backend)).await;
    assert_eq!(bed.get(HOST, "/").await.status, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn an_http10_client_is_served_and_its_connection_closed() {
    let bed = Bed::start().await;
    let web = Instance::saying("old friend").await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let answer = bed.say(&format!("GET / HTTP/1.0\r\nHost: {HOST}\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("\r\n\r\nold friend"), "{answer}");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let bed = Bed::start().await;
    let web = Instance::answering(|request: Request<Incoming>| async move {
        Response::new(full(request.uri().path().to_owned()))
    })
    .await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let ask = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{more}\r\n");
    let text = [ask("/1", ""), ask("/2", ""), ask("/3", "Connection: close\r\n")].concat();
    let answer = bed.say(&text).await;
    let places: Vec<_> =
        ["\r\n\r\n/1", "\r\n\r\n/2", "\r\n\r\n/3"].iter().map(|body| answer.find(body)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{answer}");
}

async fn until_idle(bed: &Bed) {
    let idle = async {
        while bed.handle.status().await.unwrap().open.total() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, idle).await.unwrap();
}
