//! Deployments as traces: a collector hears of them, and nothing depends on it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::sample::{pushed, script, web};
use crate::stage::Stage;

/// A collector by hand, until it is told to go.
struct Collector {
    address: String,
    spans: Receiver<Value>,
    thread: JoinHandle<()>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (heard, spans) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            while let Some(body) = taken(&mut listener.accept().unwrap().0) {
                let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone();
                spans.into_iter().for_each(|span| drop(heard.send(span)));
            }
        });
        Self { address, spans, thread }
    }

    /// The trace that comes next: the whole, and its parts until this one.
    fn trace(&self, last: &str) -> (Value, Vec<Value>) {
        let next = || self.spans.recv_timeout(Duration::from_secs(60)).unwrap();
        let whole = next();
        let mut parts = vec![next()];
        while parts.last().unwrap()["name"] != last {
            parts.push(next());
        }
        (whole, parts)
    }

    fn go(self) {
        // A connection without a request.
        drop(TcpStream::connect(&self.address).unwrap());
        self.thread.join().unwrap();
    }
}

fn taken(stream: &mut TcpStream) -> Option<Value> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buffer).unwrap();
        bytes.extend_from_slice(&buffer[..read]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n")
            && let Ok(body) = serde_json::from_slice(&bytes[end + 4..])
        {
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
            stream.write_all(answer.as_bytes()).unwrap();
            return Some(body);
        }
        if read == 0 {
            return None;
        }
    }
}

#[test]
fn a_collector_hears_how_deployments_went_and_nothing_depends_on_it() {
    let test = "a collector hears how deployments went and nothing depends on it";
    let collector = Collector::start();
    let endpoint = format!("http://{}", collector.address);
    let Some(stage) = Stage::set_with(test, &["--otlp-endpoint", &endpoint]) else {
        return collector.go();
    };
    let reference = pushed(&stage.registry, "acme/web:1", &web("hello"));
    stage.done(&["deploy", &reference, "--name", "web", "--env", "PASSWORD=hunter2"]);
    let (whole, parts) = collector.trace("route");
    let deployments = stage.platform.api("GET", "/api/services/web/deployments", None).unwrap().json();
    let deployments: Value = deployments.unwrap();
    let id = deployments["deployments"][0]["id"].as_str().unwrap().replace('-', "");
    assert_eq!((&whole["name"], &whole["traceId"]), (&"deploy default/web".into(), &id.into()));
    assert_eq!(whole["status"]["code"], 1);
    let names: Vec<_> = parts.iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["resolve", "pull", "start", "probe", "route"]);
    let nanoseconds = |span: &Value, end: &str| span[end].as_str().unwrap().parse::<u64>().unwrap();
    for part in &parts {
        assert_eq!((&part["traceId"], &part["parentSpanId"]), (&whole["traceId"], &whole["spanId"]));
        let (from, to) = ("startTimeUnixNano", "endTimeUnixNano");
        assert!(nanoseconds(part, from) >= nanoseconds(&whole, from), "{part} in {whole}");
        assert!(nanoseconds(part, to) <= nanoseconds(&whole, to), "{part} in {whole}");
    }

    let bad = pushed(&stage.registry, "acme/bad:1", &script("echo hunter2; exit 3"));
    stage.refused(&["deploy", &bad, "--name", "bad"], "START_FAILED");
    let (failed, parts) = collector.trace("start");
    assert_eq!(failed["status"], serde_json::json!({"code": 2, "message": "START_FAILED"}));
    assert!(![whole, failed].iter().chain(&parts).any(|span| span.to_string().contains("hunter2")));

    collector.go();
    stage.done(&["redeploy", "web"]);
    assert_eq!(stage.served("web"), "hello");
}
