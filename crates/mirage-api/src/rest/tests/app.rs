//! The whole face in a value.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt;
use http::{HeaderMap, Method, Request, StatusCode, header};
use mirage_control::access::AdminToken;
use mirage_control::{Control, Ports, Settings};
use mirage_core::Platform;
use mirage_store::{KeySource, Store, Vault};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::volumes::Shelf;
use super::world::World;

pub(super) const TOKEN: &str = "open-sesame";

pub(super) struct TestApp {
    pub(super) world: Arc<World>,
    router: Router,
}

impl TestApp {
    pub(super) async fn new() -> Self {
        let world = World::new();
        let ports = Ports {
            registry: world.clone(),
            images: world.clone(),
            engine: world.clone(),
            volumes: Arc::new(Shelf::default()),
            router: world.clone(),
            authority: world.clone(),
            clock: world.clone(),
            random: world.clone(),
            machine: Arc::new(Vec::new),
            pack: mirage_control::Pack::nothing(),
            traces: None,
        };
        let settings = Settings {
            platform: Platform::linux("x86_64"),
            base_domain: "localhost".into(),
            proxy_port: 8080,
            proxy_tls_port: None,
            admin_token: AdminToken::new(TOKEN),
            registry_hosts: ["127.0.0.1:7070".parse().unwrap()].into(),
            trusted_proxies: ["10.0.0.1".parse().unwrap()].into(),
            setup: mirage_control::Setup::default(),
        };
        let store = Store::in_memory().await.unwrap();
        let keys = KeySource::Given { variable: "MIRAGE_VAULT_KEY", keys: "5a".repeat(32).into() };
        let vault = Vault::open(&store, keys, world.clone()).await.unwrap();
        let control = Control::start(store, vault, ports, settings).await.unwrap();
        Self { world, router: crate::guarded(crate::router(control)) }
    }

    /// Sends a request with the token.
    pub(super) async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let token = format!("Bearer {TOKEN}");
        let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
        self.send_raw(method, path, &headers, text).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &Value::Null).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &body).await
    }

    /// Sends exactly this.
    pub(super) async fn send_raw(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let (status, headers, stream) = self.open(method, path, headers, body).await;
        let bytes = axum::body::to_bytes(Body::from_stream(stream), 4 << 20).await.unwrap();
        Answer { status, headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    /// Sends a request whose answer does not end.
    pub(super) async fn listen(&self, path: &str, headers: &[(&str, &str)]) -> Lines {
        let token = format!("Bearer {TOKEN}");
        let mut all = vec![("authorization", token.as_str())];
        all.extend_from_slice(headers);
        let (status, headers, stream) = self.open(Method::GET, path, &all, "").await;
        assert_eq!(status, StatusCode::OK);
        Lines { headers, stream, text: String::new() }
    }

    async fn open(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> (StatusCode, HeaderMap, BodyDataStream) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.status, parts.headers, body.into_data_stream())
    }

    /// Creates a service and waits until it is active; answers with its deployment's id.
    pub(super) async fn running(&self, body: Value) -> String {
        let answer = self.post("/api/services/from-image", body).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        let id = answer.json()["deployment"]["id"].as_str().unwrap().to_owned();
        self.becomes(&id, "active").await;
        id
    }

    /// Waits for the event that a deployment has reached a phase.
    pub(super) async fn becomes(&self, deployment: &str, phase: &str) {
        let mut events = self.listen(&format!("/api/events?deployment={deployment}&after=0"), &[]).await;
        events.until(&format!("\"phase\":\"{phase}\"")).await;
    }
}

/// The default body: tag 1 of the known image.
pub(super) fn web() -> Value {
    json!({"image": "registry.test/acme/web:1"})
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// A refusal in one line: `400 INVALID_REQUEST at name`. Its shape is checked on the way.
    pub(super) fn problem(&self) -> String {
        assert_eq!(self.header(header::CONTENT_TYPE.as_str()), "application/problem+json", "{self:?}");
        let json = self.json();
        assert_eq!(json["status"], self.status.as_u16());
        assert!(
            ["title", "detail"].iter().all(|key| json[key].as_str().is_some_and(|text| !text.is_empty())),
            "{json}"
        );
        let at = json["field"].as_str().map(|field| format!(" at {field}")).unwrap_or_default();
        format!("{} {}{at}", self.status.as_u16(), json["code"].as_str().unwrap())
    }
}

/// An answer that does not end.
pub(super) struct Lines {
    pub(super) headers: HeaderMap,
    stream: BodyDataStream,
    text: String,
}

impl Lines {
    /// Reads until this text has come; answers with everything up to the end of its line.
    pub(super) async fn until(&mut self, wanted: &str) -> String {
        loop {
            if let Some(at) = self.text.find(wanted)
                && let Some(end) = self.text[at..].find('\n')
            {
                let rest = self.text.split_off(at + end + 1);
                return std::mem::replace(&mut self.text, rest);
            }
            let piece = self.stream.next().await.expect("the stream goes on").unwrap();
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }
}
