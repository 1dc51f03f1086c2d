//! `/login` and `/logout`.
//!
//! The form to log in carries no token, as there is no session yet that could have one, and nothing to be had from
//! forging it: it can only open a session for whoever knows a token already. That a browser sends it in the name of another site's
//! page is refused before it gets here.

use std::net::SocketAddr;

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{ConnectInfo, Extension, Form, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode, header};
use maud::html;
use mirage_control::Control;
use mirage_core::{Code, Error, Secret};
use serde::Deserialize;

use crate::fault::{Fault, explained, status, unreadable};
use crate::form::Sent;
use crate::link;
use crate::shell::Page;
use crate::visitor::{Visitor, ended, opened};

/// For whom a proxy asks.
const FORWARDED: &str = "x-forwarded-for";

/// Where the log-in was asked for.
#[derive(Default, Deserialize)]
pub(crate) struct From {
    #[serde(default)]
    next: String,
    /// Set where a form was sent by somebody who is not logged in any more.
    #[serde(default)]
    unsent: String,
}

/// What the form says.
#[derive(Deserialize)]
pub(crate) struct LogIn {
    token: Secret,
    #[serde(default)]
    next: String,
}

/// `GET /login`
pub(crate) async fn ask(
    State(control): State<Control>,
    headers: HeaderMap,
    from: Result<Query<From>, QueryRejection>,
) -> Response {
    let From { next, unsent } = from.map(|Query(from)| from).unwrap_or_default();
    let next = link::next(&next);
    match Visitor::of(&headers, &control) {
        Some(_) => Redirect::to(next).into_response(),
        None => page(next, !unsent.is_empty(), None),
    }
}

/// `POST /login`
pub(crate) async fn check(
    State(control): State<Control>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    form: Result<Form<LogIn>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else { return page("/", false, Some(&unreadable("the form"))) };
    let next = link::next(&form.next);
    let peer = peer.map(|Extension(ConnectInfo(address))| address.ip());
    let forwarded = headers.get_all(FORWARDED).iter().filter_map(|value| value.to_str().ok());
    let from = control.client_address(peer, forwarded);
    let session = match control.open_session(&form.token, from) {
        Ok(session) => session,
        Err(error) => return page(next, false, Some(&of_pages(error))),
    };
    match opened(&session, &headers) {
        Some(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to(next)).into_response(),
        None => {
            Fault::from(Error::new(Code::Internal, "the session cannot be put into a cookie")).into_response()
        }
    }
}

/// `POST /logout`
pub(crate) async fn end(headers: HeaderMap, _: Sent) -> Response {
    let cookie = ended(&headers).map(|cookie| [(header::SET_COOKIE, cookie)]);
    (cookie, Redirect::to("/login")).into_response()
}

/// What is said to somebody in a terminal, said to somebody at a browser.
fn of_pages(error: Error) -> Error {
    match error.code() {
        Code::Unauthenticated => Error::new(Code::Unauthenticated, "the token is not valid")
            .hint("it is the content of `admin.token` in the data directory of `mirage serve`"),
        // One that is for images alone: where it can be had is told where tokens are made.
        Code::Forbidden if error.at_field() == Some("token") => {
            error.hint("log in with the admin token; a token of a project is for images alone")
        }
        _ => error,
    }
}

/// The form. What was typed never comes back into it. Where another form was sent before, it says what became of that.
fn page(next: &str, is_after_form: bool, error: Option<&Error>) -> Response {
    let body = html! {
        h1 { "Log in" }
        @if let Some(error) = error { (explained(error)) }
        @if is_after_form {
            div.notice.warn {
                p { strong { "You were logged out before you sent that form." } " Nothing was done, and what you typed is not kept; the page you came from may still have it." }
            }
        }
        form.stacked method="post" action="/login" {
            input type="hidden" name="next" value=(next);
            label for="token" { "Token" }
            input #token type="password" name="token" required autocomplete="current-password"
                aria-describedby="token-help" autofocus;
            p.quiet #token-help {
                "The content of " code { "admin.token" } " in the data directory of " code { "mirage serve" }
                ", which prints where that is."
            }
            button.primary type="submit" { "Log in" }
        }
    };
    let html = Page { title: "Log in", visitor: None, crumbs: &[], twin: &[], body }.into_html();
    (error.map_or(StatusCode::OK, |error| status(error.code())), html).into_response()
}
