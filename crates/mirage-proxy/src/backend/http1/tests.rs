use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A response as it was understood.
#[derive(Debug, PartialEq, Eq)]
struct Understood {
    status: u16,
    body: String,
    trailers: Vec<String>,
    reusable: bool,
}

async fn pair() -> (Box<Http1>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (backend, _) = listener.accept().await.unwrap();
    backend.set_nodelay(true).unwrap();
    (Http1::new(stream, &Limits::default()), backend)
}

fn head<'a>(method: &'a Method, headers: &'a HeaderMap) -> RequestHead<'a> {
    static HOST: HeaderValue = HeaderValue::from_static("a.example");
    RequestHead { method, target: "/x", host: &HOST, headers, more: b"x-more: 1\r\n" }
}

/// Lets a backend say `text` in pieces of some size, and then close or keep still.
async fn hear(method: Method, text: &str, size: usize, closes: bool) -> Result<Understood, Http1Error> {
    let (mut connection, mut backend) = pair().await;
    let bytes = text.as_bytes().to_vec();
    let saying = tokio::spawn(async move {
        let asked = backend.read(&mut [0; 4096]).await;
        assert!(asked.is_ok_and(|length| length > 0));
        for piece in bytes.chunks(size) {
            if backend.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        if closes { None } else { Some(backend) }
    });
    let headers = HeaderMap::new();
    let response = connection.exchange(&head(&method, &headers), Upload::none()).await?;
    let mut body = Vec::new();
    let mut trailers = Vec::new();
    while let Some(frame) = poll_fn(|cx| connection.poll_body(cx)).await {
        match frame?.into_data() {
            Ok(data) => body.extend_from_slice(&data),
            Err(frame) => {
                let fields = frame.into_trailers().unwrap();
                trailers.extend(
                    fields.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())),
                );
            }
        }
    }
    let _backend = saying.await.unwrap();
    assert!(connection.is_ended());
    let reusable = connection.is_reusable();
    let body = String::from_utf8(body).unwrap();
    Ok(Understood { status: response.status().as_u16(), body, trailers, reusable })
}

fn understood(status: u16, body: &str, reusable: bool) -> Understood {
    Understood { status, body: body.to_owned(), trailers: Vec::new(), reusable }
}

#[tokio::test]
async fn a_response_is_the_same_in_whatever_pieces_it_comes() {
    for (text, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", understood(200, "hello", true)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", understood(200, "", true)),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nContent-Length: 2\r\n\r\nhi", understood(200, "hi", true)),
        ("HTTP/1.1 204 No Content\r\n\r\n", understood(204, "", true)),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", understood(304, "", true)),
        (
            "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nhi",
            understood(200, "hi", false),
        ),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", understood(200, "hi", false)),
        (
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
            understood(200, "hi", true),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=\"y\"\r\nde\r\n0\r\n\r\n",
            understood(200, "abcde", true),
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", understood(200, "", true)),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nx",
            understood(404, "x", true),
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n\r\n",
            understood(200, "hi", false),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 9\r\nX-Sum: 8\r\n\r\n",
            Understood {
                trailers: vec!["x-sum: 9".into(), "x-sum: 8".into()],
                ..understood(200, "ok", true)
            },
        ),
    ] {
        for size in [1, 2, 3, 7, 4096] {
            assert_eq!(hear(Method::GET, text, size, false).await.unwrap(), expected, "{text:?} by {size}");
        }
    }
}

#[tokio::test]
async fn without_a_length_a_body_ends_with_the_connection() {
    for size in [1, 5, 4096] {
        let heard = hear(Method::GET, "HTTP/1.1 200 OK\r\n\r\nuntil the end", size, true).await.unwrap();
        assert_eq!(heard, understood(200, "until the end", false));
    }
}

#[tokio::test]
async fn an_answer_to_head_has_no_body_whatever_it_says() {
    for fields in ["Content-Length: 500", "Transfer-Encoding: chunked", "X: y"] {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
        assert_eq!(hear(Method::HEAD, &text, 4096, false).await.unwrap(), understood(200, "", true));
    }
}

#[tokio::test]
async fn a_response_whose_end_is_not_certain_is_refused() {
    for text in [
        "",
        "HTTP/1.1 200",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 099 Low\r\n\r\n",
        "HTTP/1.1 20 Short\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nab\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nno field\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c: d\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
    ] {
        for size in [1, 3, 4096] {
            let heard = hear(Method::GET, text, size, true).await;
            assert!(heard.is_err(), "{text:?} by {size}: {heard:?}");
        }
    }
}

#[tokio::test]
async fn a_head_a_trailer_or_a_chunk_line_without_end_is_refused() {
    let long = "a".repeat(70_000);
    let fields = "a: b\r\n".repeat(101);
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(9);
    for text in [
        format!("HTTP/1.1 200 OK\r\nA: {long}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nA: {long}"),
        format!("HTTP/1.1 200 OK\r\n{fields}\r\n"),
        format!("{interim}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;{long}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: {long}"),
    ] {
        assert!(hear(Method::GET, &text, 4096, false).await.is_err(), "{}", &text[..60]);
    }
}

#[tokio::test]
async fn silence_is_told_from_a_broken_answer() {
    assert!(matches!(hear(Method::GET, "", 1, true).await, Err(Http1Error::NoResponse(_))));
    assert!(matches!(hear(Method::GET, "HTTP/1.1 2", 1, true).await, Err(Http1Error::Incomplete(_))));
}

#[tokio::test]
async fn a_request_is_written_with_what_it_needs_and_nothing_else() {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("not.this"));
    headers.append("accept", HeaderValue::from_static("a"));
    headers.append("accept", HeaderValue::from_static("b"));
    for (method, length) in [(Method::GET, ""), (Method::POST, "content-length: 0\r\n")] {
        let (mut connection, mut backend) = pair().await;
        let answering = tokio::spawn(async move {
            let mut request = vec![0; 4096];
            let length = backend.read(&mut request).await.unwrap();
            backend.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let response = connection.exchange(&head(&method, &headers), Upload::none()).await.unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_eq!(
            answering.await.unwrap(),
            format!(
                "{method} /x HTTP/1.1\r\nhost: a.example\r\naccept: a\r\naccept: b\r\nx-more: 1\r\n{length}\r\n"
            )
        );
    }
}

#[tokio::test]
async fn an_unusual_reason_is_kept() {
    let (mut connection, mut backend) = pair().await;
    backend.write_all(b"HTTP/1.1 200 Fabulous\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    let headers = HeaderMap::new();
    let response = connection.exchange(&head(&Method::GET, &headers), Upload::none()).await.unwrap();
    let reason = response.extensions().get::<hyper::ext::ReasonPhrase>().unwrap();
    assert_eq!(reason.as_bytes(), b"Fabulous");
}
