//! All pages in a value, and somebody who looks at them.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::extract::ConnectInfo;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method, Request, StatusCode};
use mirage_control::{Actor, Backup, Control, CreateService, EventSearch, Pack, Setup};
use mirage_core::{Deployment, DeploymentId, EventKind, Phase, ServiceSpec};
use mirage_fakes::World;
use mirage_store::Store;
use tower::ServiceExt;

use super::html::Document;

pub(super) const TOKEN: &str = "open-sesame-4711";

pub(super) struct TestApp {
    pub(super) world: Arc<World>,
    pub(super) store: Store,
    pub(super) control: Control,
    pub(super) admin: Actor,
    router: Router,
}

impl TestApp {
    pub(super) async fn new() -> Self {
        let world = World::new();
        let pack = Pack::new(|wish, alone| {
            let all = [b"an archive".to_vec(), format!(" of {} images", wish.images.len()).into_bytes()];
            // The turn is over with the last byte.
            let bytes = stream::iter(all).map(Ok).chain(stream::once(async {
                drop(alone);
                Ok(Vec::new())
            }));
            Box::pin(async { Ok(Backup { key: Some("0badcafe".into()), bytes: bytes.boxed() }) })
        });
        let setup = Setup {
            data: "/srv/mirage".into(),
            mirrors: vec![("docker.io".parse().unwrap(), "mirror.test/hub".into())],
            plain_http: vec!["registry.test".parse().unwrap()],
        };
        let (store, control) = mirage_fakes::control(&world, TOKEN, pack, setup).await;
        let admin = control.authenticate(TOKEN).unwrap();
        Self { world, store, router: crate::router(control.clone()), control, admin }
    }

    /// Sends exactly this.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = match *name {
                "peer" => request.extension(ConnectInfo(SocketAddr::new(value.parse().unwrap(), 4711))),
                name => request.header(name, *value),
            };
        }
        let response = self.router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await;
        let (parts, body) = response.unwrap().into_parts();
        let bytes = axum::body::to_bytes(body, 4 << 20).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// Follows a page.
    pub(super) async fn follow(&self, path: &str) -> Followed {
        self.follow_with(path, &self.log_in().await).await
    }

    /// The same with these cookies.
    pub(super) async fn follow_with(&self, path: &str, cookie: &str) -> Followed {
        let request = Request::builder().uri(path).header("cookie", cookie).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()["content-type"], "text/event-stream", "{path}");
        Followed { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// Fills in a form of a page and sends it; `fields` is what is typed, the token is that of the page.
    pub(super) async fn fill_in(&self, page: &str, to: &str, fields: &[(&str, &str)]) -> Answer {
        let cookie = self.log_in().await;
        let shown = self.send(Method::GET, page, &[("cookie", &cookie)], "").await;
        let shown = Document::parse(&shown.text);
        let known = shown.all("form").any(|form| form.get("action") == Some(to));
        assert!(known, "{page} has a form for {to}");
        let token = shown.all("input").find(|input| input.get("name") == Some("form")).unwrap();
        let mut form = format!("form={}", token.get("value").unwrap());
        for (name, value) in fields {
            let value: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
            form.push_str(&format!("&{name}={value}"));
        }
        self.post(to, &cookie, &form).await
    }

    /// The token of the forms of a session.
    pub(super) async fn token(&self, cookie: &str) -> String {
        let page = Document::parse(&self.send(Method::GET, "/events", &[("cookie", cookie)], "").await.text);
        let input = page.all("input").find(|input| input.get("name") == Some("form"));
        input.unwrap().get("value").unwrap().to_owned()
    }

    /// Listens to the stream at an address, logged in; after a place, where one is named.
    pub(super) async fn listen(&self, path: &str, after: Option<&str>) -> Listener {
        let cookie = self.log_in().await;
        let mut request = Request::builder().uri(path).header("cookie", cookie);
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Listener { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// Sends a form.
    pub(super) async fn post(&self, path: &str, cookie: &str, form: &str) -> Answer {
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("cookie", cookie)];
        self.send(Method::POST, path, &headers, form).await
    }

    /// Sends the form of a page, logged in, with the token that it carries. What is in it has to be escaped.
    pub(super) async fn send_form(&self, path: &str, fields: &str) -> Answer {
        let cookie = self.log_in().await;
        let token = self.token(&cookie).await;
        self.post(path, &cookie, &format!("form={token}&{fields}")).await
    }

    /// The cookie of somebody who has just logged in.
    pub(super) async fn log_in(&self) -> String {
        let answer = self.post("/login", "", &format!("token={TOKEN}")).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
        answer.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    /// Looks at a page, logged in.
    pub(super) async fn get(&self, path: &str) -> Answer {
        let cookie = self.log_in().await;
        self.send(Method::GET, path, &[("cookie", &cookie)], "").await
    }

    /// Follows a page, logged in, until its stream has said this; answers with all that it said.
    pub(super) async fn follow_until(&self, path: &str, wanted: &str) -> String {
        let (mut followed, mut said) = (self.follow(path).await, String::new());
        while !said.contains(wanted) {
            let (id, data) = followed.next().await.expect("the stream goes on");
            said.push_str(&format!("{id}: {data}\n"));
        }
        said
    }

    /// The page itself, which has to be there.
    pub(super) async fn page(&self, path: &str) -> Document {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
        Document::parse(&answer.text)
    }

    /// Deploys an image as a new service and waits until that is over.
    pub(super) async fn deploy(&self, environment: &str, name: &str, image: &str) -> Deployment {
        let request = CreateService {
            environment: Some(environment.parse().unwrap()),
            name: Some(name.parse().unwrap()),
            ..CreateService::new(ServiceSpec::image(image.parse().unwrap()))
        };
        let (_, deployment) = self.control.create_service(&self.admin, request).await.unwrap();
        self.ended(deployment.id).await
    }

    /// Waits for the event that a deployment is where it ends.
    pub(super) async fn ended(&self, id: DeploymentId) -> Deployment {
        let search = EventSearch { deployment: Some(id), ..EventSearch::default() };
        let mut feed = self.control.events(&self.admin, &search, Some(0)).await.unwrap();
        loop {
            let event = feed.next().await.unwrap().unwrap();
            if matches!(event.kind, EventKind::PhaseChanged { phase: Phase::Active | Phase::Failed }) {
                return self.control.deployment(&self.admin, id).await.unwrap().deployment;
            }
        }
    }
}

/// A page that is followed.
pub(super) struct Followed {
    body: BodyDataStream,
    text: String,
}

/// Somebody at the other end of a stream.
pub(super) struct Listener {
    body: BodyDataStream,
    text: String,
}

impl Followed {
    /// The next piece: its id, and what is in it. Nothing at the end.
    pub(super) async fn next(&mut self) -> Option<(String, String)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let lines = |field: &str| -> Vec<&str> {
                    event.lines().filter_map(|line| line.strip_prefix(field)?.strip_prefix(": ")).collect()
                };
                let (id, data) = (lines("event").concat(), lines("data").join("\n"));
                self.text = rest.to_owned();
                if !id.is_empty() {
                    return Some((id, data));
                }
                continue;
            }
            self.text.push_str(std::str::from_utf8(&self.body.next().await?.unwrap()).unwrap());
        }
    }

    /// Pieces up to the first that is `id` and has `words` in it: the ids of those before it, and what is in it.
    pub(super) async fn until(&mut self, id: &str, words: &str) -> (Vec<String>, String) {
        let mut before = Vec::new();
        loop {
            let (next, data) =
                self.next().await.unwrap_or_else(|| panic!("`{id}` with `{words}`: {before:?}"));
            if next == id && data.contains(words) {
                return (before, data);
            }
            before.push(next);
        }
    }
}

/// A server-sent event.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) data: String,
}

impl Listener {
    /// The next event that carries something.
    pub(super) async fn next(&mut self) -> Heard {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let heard = Heard::read(event);
                self.text = rest.to_owned();
                if !heard.name.is_empty() {
                    return heard;
                }
            }
            let bytes = self.body.next().await.expect("the stream goes on").unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }
}

impl Heard {
    fn read(event: &str) -> Self {
        let mut heard = Self::default();
        for line in event.lines() {
            match line.split_once(": ") {
                Some(("event", name)) => heard.name = name.to_owned(),
                Some(("id", id)) => heard.id = id.to_owned(),
                Some(("data", data)) => heard.data.push_str(data),
                _ => {}
            }
        }
        heard
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Where it leads.
    pub(super) fn leads_to(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{self:?}");
        self.header("location")
    }
}
