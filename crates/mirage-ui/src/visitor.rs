//! Whoever looks at a page, known by the cookie of their session.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Redirect, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use mirage_control::{Actor, Control, SESSION_LASTS, Session};
use mirage_core::{RegistryHost, Secret};

use crate::link;

/// The name of the cookie.
const COOKIE: &str = "mirage_session";
/// The name of the cookie that says whether somebody wants it light or dark.
const THEME: &str = "mirage_theme";

/// The name of the cookie of those who want services as cards.
const CARDS: &str = "mirage_cards";

/// Somebody who is logged in. Every page that takes one leads everybody else to the log-in.
pub(crate) struct Visitor {
    session: Session,
    theme: Option<Theme>,
    path: String,
    cards: bool,
    /// The host that they asked.
    host: String,
}

/// A look that was chosen by hand; without one the browser says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Visitor {
    /// The session that a request shows, if it has one.
    pub(crate) fn of(headers: &HeaderMap, control: &Control) -> Option<Self> {
        let session = control.session(cookie(headers, COOKIE)?).ok()?;
        let cards = cookie(headers, CARDS) == Some("yes");
        let theme = cookie(headers, THEME).and_then(Theme::of);
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        Some(Self { session, theme, path: String::new(), cards, host: host.to_owned() })
    }

    /// The same, who looks at this address.
    pub(crate) fn at(mut self, method: &Method, uri: &Uri) -> Self {
        // What is behind the `?` belongs to a page that can be looked at again.
        let path = uri.path_and_query().filter(|_| method == Method::GET);
        self.path = path.map_or(uri.path(), |path| path.as_str()).to_owned();
        self
    }

    /// Where they are.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The name under which they reach the built-in registry, which is where the pages are: the one by which they came,
    /// else the first.
    pub(crate) fn registry<'a>(&self, names: &'a [RegistryHost]) -> Option<&'a RegistryHost> {
        names.iter().find(|name| name.as_str() == self.host).or(names.first())
    }

    pub(crate) fn actor(&self) -> &Actor {
        &self.session.actor
    }

    /// The same, who may look and do nothing.
    pub(crate) fn only_looking(mut self) -> Self {
        self.session.actor = self.session.actor.only_looking();
        self
    }

    /// The look that they chose, if they did.
    pub(crate) fn theme(&self) -> Option<&'static str> {
        self.theme.map(Theme::as_str)
    }

    /// Whether they want services as cards.
    pub(crate) fn wants_cards(&self) -> bool {
        self.cards
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }
}

impl Theme {
    /// What says that the browser decides.
    pub(crate) const NONE: &str = "system";

    /// Which one a text says.
    pub(crate) fn of(text: &str) -> Option<Self> {
        match text {
            "light" => Some(Self::Light),
            "dark" => Some(Self::Dark),
            _ => None,
        }
    }

    /// The same as text.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// The header that keeps a choice for a year, or forgets it.
    pub(crate) fn kept(choice: Option<Self>) -> HeaderValue {
        HeaderValue::from_static(match choice {
            Some(Self::Light) => "mirage_theme=light; Path=/; Max-Age=31536000; HttpOnly; SameSite=Strict",
            Some(Self::Dark) => "mirage_theme=dark; Path=/; Max-Age=31536000; HttpOnly; SameSite=Strict",
            None => "mirage_theme=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict",
        })
    }
}

impl FromRequestParts<Control> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Response> {
        let visitor = Self::of(&parts.headers, control).map(|visitor| visitor.at(&parts.method, &parts.uri));
        visitor.ok_or_else(|| {
            // A part of a page is asked for by script, which would put the log-in where the part belongs.
            if parts.headers.contains_key("hx-request") {
                return (StatusCode::UNAUTHORIZED, [("hx-refresh", "true")]).into_response();
            }
            // A stream that could not be opened would be tried for ever.
            if parts.uri.path().starts_with("/live/") {
                let headers = [(header::CONTENT_TYPE, "text/event-stream")];
                return (headers, "event: ended\ndata: log in\n\n").into_response();
            }
            let wanted = parts.uri.path_and_query().map_or("/", |path| path.as_str());
            let log_in = match parts.method {
                Method::GET => link::log_in(wanted),
                _ => link::log_in_again(wanted),
            };
            Redirect::to(&log_in).into_response()
        })
    }
}

/// The header that keeps for a year whether somebody wants services as cards.
pub(crate) fn cards_kept(cards: bool) -> HeaderValue {
    HeaderValue::from_static(match cards {
        true => "mirage_cards=yes; Path=/; Max-Age=31536000; HttpOnly; SameSite=Strict",
        false => "mirage_cards=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict",
    })
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

fn cookie<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value)
}
