//! A token service for tests, as the distribution project describes it ("Token Authentication
//! Specification", "OAuth2 Token Authentication"). It runs on a thread of its own, so that a test may
//! wait for `skopeo` meanwhile.

mod grant;
mod signer;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use tokio::sync::oneshot;

use super::debian::{ALICE, BOB};
use grant::{Grant, fields, granted};
use signer::Signer;

/// A running token service. Dropping it ends it.
pub(crate) struct TokenService {
    address: String,
    service: Arc<Service>,
    _stop: oneshot::Sender<()>,
}

/// How it answers; a test may change it at any time.
#[derive(Clone, Debug)]
pub(crate) struct TokenRules {
    /// After how many seconds the registry no longer takes a token; with 0 it never does.
    pub(crate) life: u64,
    /// What `expires_in` says, where that is not the truth.
    pub(crate) claimed: Option<u64>,
    /// Whether it answers `POST`. Many services do not.
    pub(crate) oauth: bool,
}

/// A token that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// `GET`, `POST password`, `POST refresh_token`.
    pub(crate) how: String,
    /// Who; nobody where nobody logged in, or the login was refused.
    pub(crate) user: Option<String>,
    /// `repository:acme/web:pull`.
    pub(crate) scopes: Vec<String>,
    /// The status of the answer.
    pub(crate) status: u16,
}

struct Service {
    signer: Signer,
    rules: Mutex<TokenRules>,
    asked: Mutex<Vec<Asked>>,
}

impl TokenService {
    pub(crate) const SERVICE: &str = "registry.test";
    pub(crate) const ISSUER: &str = "tokens.test";

    /// Starts one on a free loopback port; tokens are good for five minutes. Says why the test is
    /// skipped where it cannot be had.
    pub(crate) fn start(test: &str) -> Option<Self> {
        if !std::path::Path::new("/usr/bin/openssl").exists() {
            eprintln!("skipped: {test}: needs /usr/bin/openssl");
            return None;
        }
        let service = Arc::new(Service {
            signer: Signer::make(),
            rules: Mutex::new(TokenRules { life: 300, claimed: None, oauth: true }),
            asked: Mutex::default(),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = oneshot::channel();
        let app = Router::new().route("/token", get(by_get).post(by_post)).with_state(Arc::clone(&service));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    served = axum::serve(listener, app) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Some(Self { address, service, _stop: stop })
    }

    /// Where tokens are to be had.
    pub(crate) fn realm(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// The certificate that belongs to the signatures of the tokens, its own authority.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.service.signer.certificate()
    }

    /// Changes how it answers from now on.
    pub(crate) fn rule(&self, change: impl FnOnce(&mut TokenRules)) {
        change(&mut self.service.rules.lock().unwrap());
    }

    /// Every token that was asked for so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.service.asked.lock().unwrap().clone()
    }

    /// How many tokens were given for this scope.
    pub(crate) fn given(&self, scope: &str) -> usize {
        let given = |asked: &&Asked| asked.status == 200 && asked.scopes.iter().any(|one| one == scope);
        self.asked().iter().filter(given).count()
    }
}

async fn by_get(
    State(service): State<Arc<Service>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let fields = fields(query.unwrap_or_default().as_bytes());
    let value = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let user = match basic(&headers) {
        None => Ok(None),
        Some((user, password)) => known(&user, &password).map(Some),
    };
    let wanted = Wanted {
        how: "GET".into(),
        user,
        service: value("service"),
        scopes: fields.iter().filter(|(name, _)| name == "scope").map(|(_, scope)| scope.clone()).collect(),
        offline: value("offline_token") == Some("true"),
    };
    service.answer(wanted)
}

async fn by_post(State(service): State<Arc<Service>>, body: bytes::Bytes) -> Response {
    if !service.rules.lock().unwrap().oauth {
        return StatusCode::NOT_FOUND.into_response();
    }
    let fields = fields(&body);
    let value = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let text = |name: &str| value(name).unwrap_or_default();
    if text("client_id").is_empty() {
        return problem(StatusCode::BAD_REQUEST, "invalid_client");
    }
    let user = match text("grant_type") {
        "password" => known(text("username"), text("password")),
        "refresh_token" => service.signer.owner_of(text("refresh_token")).ok_or(()),
        _ => return problem(StatusCode::BAD_REQUEST, "unsupported_grant_type"),
    };
    let wanted = Wanted {
        how: format!("POST {}", text("grant_type")),
        user: user.map(Some),
        service: value("service"),
        scopes: text("scope").split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect(),
        offline: text("access_type") == "offline",
    };
    service.answer(wanted)
}

struct Wanted<'a> {
    how: String,
    /// An error where somebody logged in with a wrong password.
    user: Result<Option<String>, ()>,
    service: Option<&'a str>,
    scopes: Vec<String>,
    offline: bool,
}

impl Service {
    /// A token for what may be had of that which is wanted, and a note of it.
    fn answer(&self, wanted: Wanted<'_>) -> Response {
        let note = |user: Option<&str>, status: StatusCode| {
            self.asked.lock().unwrap().push(Asked {
                how: wanted.how.clone(),
                user: user.map(str::to_owned),
                scopes: wanted.scopes.clone(),
                status: status.as_u16(),
            });
        };
        let Ok(user) = &wanted.user else {
            note(None, StatusCode::UNAUTHORIZED);
            return problem(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
        };
        let user = user.as_deref();
        if wanted.service != Some(TokenService::SERVICE) {
            note(user, StatusCode::BAD_REQUEST);
            return problem(StatusCode::BAD_REQUEST, "invalid_service");
        }
        note(user, StatusCode::OK);
        let rules = self.rules.lock().unwrap().clone();
        let grants: Vec<Grant> = wanted.scopes.iter().filter_map(|scope| granted(user, scope)).collect();
        let token = self.signer.token(user, &grants, rules.life);
        let scope: Vec<String> = grants.iter().map(Grant::scope).collect();
        let mut answer = json!({
            "token": token, "access_token": token, "scope": scope.join(" "),
            "expires_in": rules.claimed.unwrap_or(rules.life),
        });
        if let Some(user) = user.filter(|_| wanted.offline || wanted.how == "POST refresh_token") {
            answer["refresh_token"] = self.signer.identity_token(user).into();
        }
        ([("content-type", "application/json")], answer.to_string()).into_response()
    }
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get("authorization")?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(BASE64_STANDARD.decode(value).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn known(user: &str, password: &str) -> Result<String, ()> {
    if [ALICE, BOB].contains(&(user, password)) { Ok(user.to_owned()) } else { Err(()) }
}

fn problem(status: StatusCode, code: &str) -> Response {
    let body = json!({ "errors": [{ "code": code, "message": "no" }], "error": code });
    (status, [("content-type", "application/json")], body.to_string()).into_response()
}
