//! Whoever looks at a page, known by the cookie of their session.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Redirect, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use mirage_control::{Actor, Control, SESSION_LASTS, Session};
use mirage_core::Secret;

use crate::link;

/// The name of the cookie.
const COOKIE: &str = "mirage_session";

/// Somebody who is logged in. Every page that takes one leads everybody else to the log-in.
pub(crate) struct Visitor(Session);

impl Visitor {
    /// The session that a request shows, if it has one.
    pub(crate) fn of(headers: &HeaderMap, control: &Control) -> Option<Self> {
        control.session(cookie(headers)?).ok().map(Self)
    }

    pub(crate) fn actor(&self) -> &Actor {
        &self.0.actor
    }

    pub(crate) fn session(&self) -> &Session {
        &self.0
    }
}

impl FromRequestParts<Control> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Response> {
        Self::of(&parts.headers, control).ok_or_else(|| {
            let wanted = parts.uri.path_and_query().map_or("/", |path| path.as_str());
            Redirect::to(&link::log_in(wanted)).into_response()
        })
    }
}

/// The header that opens a session in a browser.
pub(crate) fn opened(session: &Secret, headers: &HeaderMap) -> Option<HeaderValue> {
    let text = Secret::from(format!(
        "{COOKIE}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{}",
        session.reveal(),
        SESSION_LASTS.as_secs(),
        secure(headers)
    ));
    let mut value = HeaderValue::from_str(text.reveal()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The header that ends it.
pub(crate) fn ended(headers: &HeaderMap) -> Option<HeaderValue> {
    let text = format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict{}", secure(headers));
    HeaderValue::from_str(&text).ok()
}

/// The platform itself speaks plain HTTP, on loopback unless told otherwise. Where something in front of it speaks TLS, it
/// says so; whoever says it untruly only keeps their own cookie from being sent.
fn secure(headers: &HeaderMap) -> &'static str {
    let by_tls = headers.get("x-forwarded-proto").is_some_and(|proto| proto.as_bytes() == b"https");
    if by_tls { "; Secure" } else { "" }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}
