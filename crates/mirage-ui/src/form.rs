//! Forms: a post of a page that this session was shown, answered by a redirect, or by the same page with what was
//! typed and what is wrong with it.

use axum::extract::{FromRequest, Request};
use axum::response::{Html, IntoResponse, Response};
use axum::{Form, RequestExt};
use http::StatusCode;
use maud::{Markup, html};
use mirage_control::{Control, OLD_FORM};
use mirage_core::{Code, Error, Secret};

use crate::fault::{Fault, explained, unreadable};
use crate::prose::prose;
use crate::visitor::Visitor;

/// The most bytes of a form: a pasted `.env` of a thousand long lines.
pub(crate) const FORM_MAX: usize = 256 << 10;
/// The most fields of one.
const FIELDS_MAX: usize = 4_096;
/// The name of the field with the token.
const TOKEN: &str = "form";

/// A form of a page. The button that sends it stands in `body`.
pub(crate) fn form(visitor: &Visitor, action: &str, class: &str, body: Markup) -> Markup {
    html! {
        form class=(class) method="post" action=(action) { (token(visitor)) (body) }
    }
}

/// What every form has in it, where it is written by hand.
pub(crate) fn token(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name=(TOKEN) value=(visitor.session().form()); }
}

/// A button that does one thing, and the words for it.
pub(crate) fn button(visitor: &Visitor, action: &str, words: &str) -> Markup {
    form(visitor, action, "one", html! { button type="submit" { (words) } })
}

/// The same where it cannot be done now, with why; `id` is that of the reason.
pub(crate) fn refused(id: &str, words: &str, why: &str) -> Markup {
    html! {
        span.one.refused {
            button type="button" disabled aria-describedby=(id) { (words) }
            " " span.quiet id=(id) { (prose(why)) }
        }
    }
}

/// The answer to a form that something is wrong with: its page, which says what.
pub(crate) fn again(page: Html<String>) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
}

/// What is wrong with a form, where that is about none of these fields of it.
pub(crate) fn elsewhere(error: Option<&Error>, fields: &[&str]) -> Markup {
    let error = error.filter(|error| !error.at_field().is_some_and(|field| fields.contains(&field)));
    html! { @if let Some(error) = error { (explained(error)) } }
}

/// What is wrong, where a form has nothing typed in it: it is about its button then.
pub(crate) fn of_button(error: Error) -> Error {
    match error.message() == OLD_FORM {
        true => error.hint("its button did nothing: press it again"),
        false => error,
    }
}

/// What somebody sent who is logged in and was shown the form. Where that was before they logged in again, they may do
/// nothing: every use case refuses, and the page of the form says so.
pub(crate) struct Sent {
    /// Who.
    pub(crate) visitor: Visitor,
    /// What.
    pub(crate) fields: Fields,
}

/// The fields of a form, in their order. None can be printed, as each may be a password.
#[derive(Default)]
pub(crate) struct Fields(Vec<(String, Secret)>);

impl Fields {
    /// The text of the first field of this name without the spaces around it; empty where there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// The same as it was sent.
    pub(crate) fn raw(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// The texts of all fields of this name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.reveal())
    }

    /// Whether a box was ticked or a button of this name was pressed.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }
}

impl FromRequest<Control> for Sent {
    type Rejection = Response;

    async fn from_request(mut request: Request, control: &Control) -> Result<Self, Response> {
        let visitor = request.extract_parts_with_state::<Visitor, _>(control).await?;
        let fault = |error: Error| Fault::from(error).into_response();
        // Said by the browser alone; without it nobody knows whose page it was.
        let is_ours = request.headers().get("sec-fetch-site").is_some_and(|site| site == "same-origin");
        let read = Form::<Vec<(String, Secret)>>::from_request(request, control).await;
        let Form(fields) = read.map_err(|rejection| {
            fault(match rejection.status().as_u16() {
                413 => Error::new(Code::InvalidRequest, format!("the form has more than {FORM_MAX} bytes"))
                    .hint("send less at once, or use the command line"),
                _ => unreadable("the form"),
            })
        })?;
        let fields = Fields(fields);
        if fields.0.len() > FIELDS_MAX {
            return Err(fault(Error::new(
                Code::InvalidRequest,
                format!("the form has more than {FIELDS_MAX} fields"),
            )));
        }
        match visitor.session().check_form(fields.raw(TOKEN)) {
            Ok(()) => Ok(Self { visitor, fields }),
            // A page of ours that is older than this log-in. Its form does nothing and comes back like any that is
            // refused, with what was typed.
            Err(_) if is_ours => Ok(Self { visitor: visitor.only_looking(), fields }),
            Err(error) => Err(fault(error)),
        }
    }
}
