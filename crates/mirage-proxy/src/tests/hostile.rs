use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::bed::{Bed, HOST, Instance, PATIENCE, empty, full, read_head};
use super::protocols::{http2_client, target};

/// A backend that notes the bodies and targets of everything that reaches it.
async fn noting() -> (Instance, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let noted = seen.clone();
    let instance = Instance::answering(move |request: Request<Incoming>| {
        let noted = noted.clone();
        async move {
            let target = request.uri().to_string();
            let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            noted.lock().await.push(format!("{target} {}", String::from_utf8_lossy(&body)));
            Response::new(full("fine"))
        }
    })
    .await;
    (instance, seen)
}

#[tokio::test]
async fn requests_whose_length_is_ambiguous_never_become_two() {
    let bed = Bed::start().await;
    let (web, seen) = noting().await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: web-production.localhost\r\n\r\n";
    for framing in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Content-Length : 5\r\n",
        "Content-Length: 5\r\n X: y\r\n",
        "\x0bTransfer-Encoding: chunked\r\n",
        "X: a\rTransfer-Encoding: chunked\r\n",
    ] {
        let text = format!("POST /outer HTTP/1.1\r\nHost: {HOST}\r\n{framing}\r\n0\r\n\r\n{smuggled}");
        let answer = bed.say(&text).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{framing:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{framing:?}: {answer}");
    }
    assert_eq!(*seen.lock().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_length_beside_chunks_is_dropped_and_the_connection_closed() {
    let bed = Bed::start().await;
    let (web, seen) = noting().await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let answer = bed
        .say(&format!(
            "POST /outer HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nab\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n"
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(*seen.lock().await, ["/outer ab"]);
}

#[tokio::test]
async fn broken_chunks_never_reach_a_backend_as_a_whole_request() {
    let bed = Bed::start().await;
    let (web, seen) = noting().await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    for chunks in
        ["zz\r\nab\r\n0\r\n\r\n", "2\r\nabX0\r\n\r\n", "ffffffffffffffffff\r\nab", "2;\nab\r\n0\r\n\r\n"]
    {
        let text =
            format!("POST /outer HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        let answer = bed.say(&text).await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{chunks:?}: {answer}");
    }
    let whole = seen.lock().await.iter().filter(|body| body.ends_with("ab")).count();
    assert_eq!(whole, 0);
}

#[tokio::test]
async fn trailers_cannot_say_what_only_the_head_may() {
    let bed = Bed::start().await;
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let noted = seen.clone();
    let web = Instance::answering(move |request: Request<Incoming>| {
        let noted = noted.clone();
        async move {
            let body = request.into_body().collect().await.unwrap();
            let trailers = body.trailers().cloned().unwrap_or_default();
            let mut names: Vec<_> = trailers.keys().map(ToString::to_string).collect();
            names.sort();
            noted.lock().await.extend(names);
            Response::new(full("fine"))
        }
    })
    .await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let trailers = "X-Sum: 9\r\nX-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nHost: evil\r\n\
                    Content-Length: 99\r\nTransfer-Encoding: chunked\r\nAuthorization: Bearer x\r\n";
    let head =
        format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
    let answer = bed.say(&format!("{head}2\r\nab\r\n0\r\n{trailers}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(*seen.lock().await, ["x-sum"]);

    // The way of gRPC, over HTTP/2 to the backend.
    let fields = [("x-sum", "9"), ("x-forwarded-for", "6.6.6.6"), ("host", "evil"), ("cookie", "a=b")];
    let fields = fields.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let frames =
        [Frame::data(Bytes::from_static(b"ab")), Frame::trailers(HeaderMap::from_iter(fields))].map(Ok);
    let call = Request::post(target("/outer"))
        .header("content-type", "application/grpc")
        .body(StreamBody::new(stream::iter(frames)).boxed())
        .unwrap();
    assert_eq!(http2_client(&bed).await.send_request(call).await.unwrap().status(), StatusCode::OK);
    assert_eq!(*seen.lock().await, ["x-sum", "x-sum"]);
}

#[tokio::test]
async fn nonsense_is_refused() {
    let bed = Bed::start().await;
    for (text, status) in [
        ("\r\n\r\n\0\x01\x02\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a/../b\r\n\r\n", "400"),
        ("GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("GET / HTTP/9.9\r\nHost: a\r\n\r\n", "400"),
        ("G\x7fT / HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nConnection: close\r\n\r\n", "405"),
        ("TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "405"),
    ] {
        let answer = bed.say(text).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{text:?}: {answer}");
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let bed = Bed::start().await;
    let (web, seen) = noting().await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let large = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nX: {}\r\n\r\n", "a".repeat(70_000));
    let many = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n{}\r\n", "X: y\r\n".repeat(101));
    for text in [large, many] {
        let answer = bed.say(&text).await;
        assert!(answer.starts_with("HTTP/1.1 431 ") || answer.is_empty(), "{answer}");
    }
    assert!(seen.lock().await.is_empty());
}

#[tokio::test]
async fn a_slow_head_and_a_connection_that_rests_are_closed() {
    let bed = Bed::start_with(|config| {
        config.limits.head_time = Duration::from_millis(400);
        config.limits.idle_time = Duration::from_millis(400);
    })
    .await;
    let web = Instance::saying("fine").await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;

    let mut silent = TcpStream::connect(bed.address).await.unwrap();
    let mut dripping = TcpStream::connect(bed.address).await.unwrap();
    let mut half_preface = TcpStream::connect(bed.address).await.unwrap();
    half_preface.write_all(b"PR").await.unwrap();
    let drip = async {
        while dripping.write_all(b"X").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, drip).await.expect("a head that never ends is cut off");
    for stream in [&mut silent, &mut half_preface] {
        let ended = timeout(PATIENCE, stream.read(&mut [0; 1])).await.unwrap();
        assert!(matches!(ended, Ok(0) | Err(_)));
    }

    let mut resting = TcpStream::connect(bed.address).await.unwrap();
    resting.write_all(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, resting.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("fine"), "{answer}");
}

#[tokio::test]
async fn an_upload_that_stops_half_way_is_given_up() {
    let bed = Bed::start_with(|config| {
        config.limits.response_time = Duration::from_millis(50);
        config.limits.upload_pause = Duration::from_millis(150);
    })
    .await;
    let (web, _) = noting().await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let answer = bed.say(&format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 10\r\n\r\nhalf")).await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
}

#[tokio::test]
async fn an_upload_that_goes_on_slowly_is_not_given_up() {
    let bed = Bed::start_with(|config| {
        config.limits.response_time = Duration::from_millis(200);
        config.limits.upload_pause = Duration::from_secs(20);
    })
    .await;
    let (web, seen) = noting().await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let mut stream = TcpStream::connect(bed.address).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 6\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_millis(70)).await;
        stream.write_all(b"x").await.unwrap();
    }
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(*seen.lock().await, ["/ xxxxxx"]);
}

#[tokio::test]
async fn at_the_limit_of_connections_resting_ones_make_room() {
    let bed = Bed::start_with(|config| {
        config.workers = Some(1);
        config.limits.connections = 4;
    })
    .await;
    let web = Instance::saying("fine").await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let mut kept = Vec::new();
    for _ in 0..20 {
        let mut client = bed.connect().await;
        assert_eq!(timeout(PATIENCE, client.get("/")).await.unwrap().status, StatusCode::OK);
        kept.push(client);
        assert!(bed.handle.status().await.unwrap().connections <= 4);
    }
}

#[tokio::test]
async fn a_connection_that_a_backend_has_closed_is_not_a_failure() {
    let bed = Bed::start_with(|config| config.workers = Some(1)).await;
    // Says keep-alive, answers once, and closes.
    let curt = Instance::raw(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nonce").await;
    })
    .await;
    bed.deploy(1, std::slice::from_ref(&curt.backend)).await;
    let mut client = bed.connect().await;
    for _ in 0..200 {
        let answer = client.get("/").await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "once"));
    }
}

#[tokio::test]
async fn a_connection_that_closes_under_a_request_is_replaced_only_where_nothing_can_be_done_twice() {
    let bed = Bed::start_with(|config| config.workers = Some(1)).await;
    // Answers the first request of a connection, reads the second and closes.
    let treacherous = Instance::raw(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst").await;
        read_head(&mut stream).await;
    })
    .await;
    bed.deploy(1, std::slice::from_ref(&treacherous.backend)).await;
    let mut client = bed.connect().await;
    assert_eq!(client.get("/").await.text(), "first");
    assert_eq!(client.get("/").await.text(), "first", "asked again on a new connection");
    assert_eq!(treacherous.accepted(), 2);
    let post = Request::post("/").header("host", HOST).body(empty()).unwrap();
    assert_eq!(client.send(post).await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(treacherous.accepted(), 2);
}
