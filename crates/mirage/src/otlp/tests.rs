//! A collector that takes what it is sent, and some that do worse.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::Write;
use std::sync::Once;
use std::time::Duration;

use mirage_core::port::TraceSink;
use mirage_core::{Code, Span, SpanOutcome};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::export::Patience;
use super::*;

/// How a collector answers one request.
#[derive(Clone, Copy)]
enum Manner {
    /// With this status line and nothing else.
    Says(&'static str),
    /// That all is well, and then on and on.
    Endless,
    /// With a head that never ends.
    EndlessHead,
    /// Not at all.
    Silent,
    /// By closing the connection.
    HangsUp,
}

const TAKES: Manner = Manner::Says("200 OK");

/// A collector by hand: requests in the order of their coming.
struct Collector {
    address: String,
    requests: mpsc::UnboundedReceiver<(String, Value)>,
}

impl Collector {
    /// One that behaves in these manners, one after the other, and then well.
    async fn start(manners: &[Manner]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (heard, requests) = mpsc::unbounded_channel();
        let mut manners = VecDeque::from(manners.to_vec());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, manners.pop_front().unwrap_or(TAKES), heard.clone()));
            }
        });
        Self { address, requests }
    }

    async fn exporter(&self, patience: Patience) -> Exporter {
        let endpoint: Endpoint = format!("http://{}", self.address).parse().unwrap();
        Exporter::with(&endpoint, patience).await.unwrap()
    }

    /// The names of the spans of the next request.
    async fn next(&mut self) -> Vec<String> {
        let (_, body) = self.requests.recv().await.unwrap();
        let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone();
        spans.into_iter().map(|span| span["name"].as_str().unwrap().to_owned()).collect()
    }
}

async fn serve(mut stream: TcpStream, manner: Manner, heard: mpsc::UnboundedSender<(String, Value)>) {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "the head broke off");
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes.drain(..end + 4).collect()).unwrap().to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let length: usize = length.parse().unwrap();
        break (head, length);
    };
    while bytes.len() < length {
        stream.read_buf(&mut bytes).await.unwrap();
    }
    let _ = heard.send((head, serde_json::from_slice(&bytes).unwrap()));
    let head = match manner {
        Manner::Says(status) => {
            format!(
                "HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
        }
        Manner::Endless => "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n".to_owned(),
        Manner::EndlessHead => "HTTP/1.1 200 OK\r\n".to_owned(),
        Manner::Silent => return std::future::pending().await,
        Manner::HangsUp => return,
    };
    let _ = stream.write_all(head.as_bytes()).await;
    let more: &[u8] = match manner {
        Manner::Endless => &[b'a'; 4096],
        Manner::EndlessHead => b"x: y\r\n",
        _ => return,
    };
    while stream.write_all(more).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

/// Tries once, and waits for an answer as long as a test may take.
fn once() -> Patience {
    Patience { answer: Duration::from_secs(30), pauses: Vec::new(), farewell: Duration::from_secs(30) }
}

fn span(name: &str) -> Vec<Span> {
    let now = "2026-11-22T01:00:00Z".parse().unwrap();
    vec![Span {
        trace: [1; 16],
        id: [2; 8],
        parent: None,
        name: name.into(),
        started_at: now,
        ended_at: now,
        attributes: Vec::new(),
        outcome: SpanOutcome::Good,
    }]
}

thread_local! {
    /// What was logged in this thread, which is that of one test and its tasks.
    static LOGGED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Listens to what is logged. For all tests at once: what a place in the code has to say would be passed over where it
/// was first come to by a test that does not listen.
struct Log;

impl Log {
    fn listen() -> Self {
        static LISTENING: Once = Once::new();
        LISTENING.call_once(|| {
            let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(|| Self).finish();
            tracing::subscriber::set_global_default(subscriber).unwrap();
        });
        LOGGED.with_borrow_mut(Vec::clear);
        Self
    }

    /// Lines about the collector.
    fn lines(&self) -> Vec<String> {
        let text = LOGGED.with_borrow(|bytes| String::from_utf8(bytes.clone()).unwrap());
        text.lines().filter(|line| line.contains("collector")).map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| logged.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn spans_are_posted_as_json_below_the_address_that_was_named() {
    let mut collector = Collector::start(&[]).await;
    for (given, path) in [("", "/v1/traces"), ("/", "/v1/traces"), ("/otel/", "/otel/v1/traces")] {
        let endpoint: Endpoint = format!("http://{}{given}", collector.address).parse().unwrap();
        let exporter = Exporter::start(&endpoint).await.unwrap();
        exporter.accept(span("deploy shop/web"));
        let (head, body) = collector.requests.recv().await.unwrap();
        assert!(head.starts_with(&format!("post {path} http/1.1\r\n")), "{head}");
        assert!(head.contains("content-type: application/json\r\n"), "{head}");
        assert_eq!(body, encode::request(&span("deploy shop/web")));
        exporter.stop().await;
    }
}

#[tokio::test]
async fn a_collector_that_is_overloaded_is_asked_again_and_one_that_refuses_is_not() {
    let manners = ["503 Busy", "429 Too Many", "500 Oops", "200 OK", "400 No", "200 OK"].map(Manner::Says);
    let mut collector = Collector::start(&manners).await;
    let exporter = collector.exporter(Patience { pauses: vec![Duration::ZERO; 3], ..once() }).await;
    exporter.accept(span("first"));
    for _ in 0..4 {
        assert_eq!(collector.next().await, ["first"]);
    }
    exporter.accept(span("second"));
    assert_eq!(collector.next().await, ["second"]);
    exporter.accept(span("third"));
    assert_eq!(collector.next().await, ["third"], "the second one was refused for good");
    exporter.stop().await;
    assert!(collector.requests.try_recv().is_err());
}

#[tokio::test]
async fn each_change_of_a_collector_is_one_line_and_no_collector_holds_the_next_one_up() {
    let log = Log::listen();
    let bad = [
        Manner::HangsUp,
        Manner::Says("500 Oops"),
        Manner::Says("302 Found"),
        Manner::EndlessHead,
        Manner::Silent,
        Manner::Says("404 Not Found"),
    ];
    let mut collector =
        Collector::start(&[&[TAKES], &bad[..], &[Manner::Endless, TAKES, TAKES]].concat()).await;
    let exporter = collector.exporter(Patience { answer: Duration::from_secs(1), ..once() }).await;
    for n in 0..bad.len() + 4 {
        exporter.accept(span(&format!("{n}")));
        assert_eq!(collector.next().await, [format!("{n}")]);
    }
    exporter.stop().await;
    let lines = log.lines();
    let [lost, again] = &lines[..] else { panic!("{lines:#?}") };
    assert!(lost.contains("WARN") && lost.contains("are lost") && lost.contains("/v1/traces"), "{lost}");
    assert!(again.contains("INFO") && again.contains("again") && again.contains("lost=6"), "{again}");
}

#[tokio::test]
async fn nobody_waits_for_a_collector_that_says_nothing() {
    let mut collector = Collector::start(&[Manner::Silent]).await;
    let exporter = collector.exporter(Patience { farewell: Duration::ZERO, ..once() }).await;
    exporter.accept(span("first"));
    assert_eq!(collector.next().await, ["first"]);
    // More than there is room for: `accept` is no future, so it cannot wait.
    for n in 0..1000 {
        exporter.accept(span(&format!("{n}")));
    }
    exporter.stop().await;
    assert!(collector.requests.try_recv().is_err());
}

#[tokio::test]
async fn what_waits_at_the_end_is_told_together() {
    let mut collector = Collector::start(&[]).await;
    let exporter = collector.exporter(once()).await;
    for name in ["a", "b", "c"] {
        exporter.accept(span(name));
    }
    exporter.stop().await;
    assert_eq!(collector.next().await, ["a", "b", "c"]);
}

#[tokio::test]
async fn without_anybody_at_the_address_one_line_says_why() {
    let log = Log::listen();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint: Endpoint = format!("http://{free}").parse().unwrap();
    let exporter = Exporter::with(&endpoint, once()).await.unwrap();
    exporter.accept(span("first"));
    exporter.stop().await;
    let lines = log.lines();
    assert!(lines.len() == 1 && lines[0].contains("refused"), "{lines:#?}");
}

#[test]
fn an_address_that_cannot_be_one_is_refused_and_not_quoted() {
    for good in ["http://127.0.0.1:4318", "https://otel.example/v1/tenant", "http://[::1]:4318/"] {
        assert!(good.parse::<Endpoint>().is_ok(), "{good}");
    }
    let long = format!("http://hunter2/{}", "a".repeat(3000));
    for (wrong, why) in [
        ("", "is not a URL"),
        ("hunter2", "is not a URL"),
        ("hunter2:4318", "begins with neither"),
        ("ftp://hunter2/", "begins with neither"),
        ("http://", "is not a URL"),
        ("http://user:hunter2@collector/", "has a user name or a password"),
        ("http://hunter2@collector/", "has a user name or a password"),
        ("http://collector/?key=hunter2", "has a `?` or a `#`"),
        ("http://collector/#hunter2", "has a `?` or a `#`"),
        ("http://collector/ hunter2", "has a space"),
        ("http://collector/\nhunter2", "has a space"),
        (&long, "at most 2048"),
    ] {
        let error = wrong.parse::<Endpoint>().unwrap_err();
        assert_eq!((error.code(), error.at_field()), (Code::InvalidRequest, Some("otlpEndpoint")));
        assert!(error.message().contains(why), "{wrong}: {}", error.message());
        assert!(error.next_step().is_some() && !format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}
