use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, StreamBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::bed::{Bed, HOST, Instance, PATIENCE, empty, full, read_head};

/// 64 MiB: more than all buffers on the way together.
const PIECES: usize = 1024;
const PIECE: usize = 64 * 1024;

fn pieces() -> impl Stream<Item = hyper::Result<Frame<Bytes>>> {
    let piece = Bytes::from(vec![b'x'; PIECE]);
    stream::iter(0..PIECES).map(move |_| Ok(Frame::data(piece.clone())))
}

fn streamed(
    frames: impl Stream<Item = hyper::Result<Frame<Bytes>>> + Send + Sync + 'static,
) -> BoxBody<Bytes, hyper::Error> {
    BodyExt::boxed(StreamBody::new(frames))
}

#[tokio::test]
async fn a_large_upload_arrives_whole() {
    let bed = Bed::start().await;
    let counting = Instance::answering(|request: Request<hyper::body::Incoming>| async move {
        let mut body = request.into_body();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            length += frame.unwrap().into_data().map_or(0, |data| data.len());
        }
        Response::new(full(length.to_string()))
    })
    .await;
    bed.deploy(1, std::slice::from_ref(&counting.backend)).await;
    let request = Request::post("/").header("host", HOST).body(streamed(pieces())).unwrap();
    assert_eq!(bed.connect().await.send(request).await.text(), (PIECES * PIECE).to_string());
    let sized = Request::put("/").header("host", HOST).body(full(vec![b'y'; 300_000])).unwrap();
    assert_eq!(bed.connect().await.send(sized).await.text(), "300000");
}

#[tokio::test]
async fn a_large_download_arrives_whole() {
    let bed = Bed::start().await;
    let giving = Instance::answering(|_| async { Response::new(streamed(pieces())) }).await;
    bed.deploy(1, std::slice::from_ref(&giving.backend)).await;
    assert_eq!(bed.get(HOST, "/").await.body.len(), PIECES * PIECE);
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_backend_back() {
    let bed = Bed::start().await;
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let giving = Instance::answering(move |_| {
        let count = count.clone();
        let counted = pieces().inspect(move |_| {
            count.fetch_add(1, SeqCst);
        });
        async move { Response::new(streamed(counted)) }
    })
    .await;
    bed.deploy(1, std::slice::from_ref(&giving.backend)).await;
    let response =
        bed.connect().await.stream(Request::get("/").header("host", HOST).body(empty()).unwrap()).await;
    // The buffers fill up, and then nothing moves.
    let mut before = usize::MAX;
    while before != sent.load(SeqCst) {
        before = sent.load(SeqCst);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(before < PIECES / 2, "{before} of {PIECES} pieces were sent to nobody");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), PIECES * PIECE);
}

#[tokio::test]
async fn events_arrive_one_by_one_as_they_are_sent() {
    let bed = Bed::start().await;
    let next = Arc::new(Notify::new());
    let told = next.clone();
    let events = Instance::answering(move |_| {
        let told = told.clone();
        let body = stream::unfold(told, |told| async {
            told.notified().await;
            Some((Ok(Frame::data(Bytes::from("data: x\n\n"))), told))
        });
        async move { Response::new(streamed(body)) }
    })
    .await;
    bed.deploy(1, std::slice::from_ref(&events.backend)).await;
    let response =
        bed.connect().await.stream(Request::get("/").header("host", HOST).body(empty()).unwrap()).await;
    let mut body = response.into_body();
    for _ in 0..3 {
        next.notify_one();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "data: x\n\n");
    }
}

#[tokio::test]
async fn a_download_that_breaks_off_is_not_taken_for_a_whole_one() {
    let bed = Bed::start().await;
    let breaking = Instance::raw(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    })
    .await;
    bed.deploy(1, std::slice::from_ref(&breaking.backend)).await;
    let request = Request::get("/").header("host", HOST).body(empty()).unwrap();
    assert!(bed.connect().await.try_send(request).await.is_err());
}

#[tokio::test]
async fn a_body_without_length_ends_with_the_connection() {
    let bed = Bed::start().await;
    let old = Instance::raw(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nuntil the end").await;
    })
    .await;
    bed.deploy(1, std::slice::from_ref(&old.backend)).await;
    let mut client = bed.connect().await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.text(), "until the end");
    }
}

#[tokio::test]
async fn head_and_not_modified_have_no_body() {
    let bed = Bed::start().await;
    let web = Instance::answering(|request: Request<hyper::body::Incoming>| async move {
        let status = if request.uri().path() == "/304" { 304 } else { 200 };
        Response::builder().status(status).header("content-length", "5").body(full("hello")).unwrap()
    })
    .await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let mut client = bed.connect().await;
    let head = client.send(Request::head("/").header("host", HOST).body(empty()).unwrap()).await;
    assert_eq!((head.headers["content-length"].to_str().unwrap(), head.body.len()), ("5", 0));
    assert_eq!(client.get("/304").await.status, 304);
    assert_eq!(client.get("/").await.text(), "hello");
    assert_eq!(web.accepted(), 1);
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_continue() {
    let bed = Bed::start().await;
    let echo = Instance::answering(|request: Request<hyper::body::Incoming>| async move {
        assert!(!request.headers().contains_key("expect"));
        Response::new(full(request.into_body().collect().await.unwrap().to_bytes()))
    })
    .await;
    bed.deploy(1, std::slice::from_ref(&echo.backend)).await;
    let mut stream = TcpStream::connect(bed.address).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(read_head(&mut stream).await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"work").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nwork"), "{answer}");

    let refused = bed.say("POST / HTTP/1.1\r\nHost: no\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    let refused = tokio::time::timeout(PATIENCE, refused).await.unwrap();
    assert!(refused.starts_with("HTTP/1.1 404 Not Found\r\n"), "{refused}");
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_upload_reaches_the_client() {
    let bed = Bed::start().await;
    let hasty = Instance::raw(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 3\r\n\r\nbig").await;
        let mut rest = [0; 4096];
        while stream.read(&mut rest).await.is_ok_and(|length| length > 0) {}
    })
    .await;
    bed.deploy(1, std::slice::from_ref(&hasty.backend)).await;
    let mut stream = TcpStream::connect(bed.address).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 1000000\r\n\r\nfirst piece");
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read_head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{answer}");
}

#[tokio::test]
async fn a_client_that_goes_away_frees_the_backend() {
    let bed = Bed::start().await;
    let gone = Arc::new(Notify::new());
    let told = gone.clone();
    let waiting = Instance::raw(move |mut stream| {
        let told = told.clone();
        async move {
            read_head(&mut stream).await;
            // No answer; only the end of the connection.
            let _ = stream.read(&mut [0; 1]).await;
            told.notify_one();
        }
    })
    .await;
    bed.deploy(1, std::slice::from_ref(&waiting.backend)).await;
    let mut stream = TcpStream::connect(bed.address).await.unwrap();
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes()).await.unwrap();
    super::bed::until(|| waiting.accepted() == 1).await;
    drop(stream);
    tokio::time::timeout(PATIENCE, gone.notified()).await.unwrap();
}
