//! Errors as pages: the code, the sentence, the next thing to do.

use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use maud::html;
use mirage_core::{Code, Error};

use crate::shell::Page;

/// Why there is no page.
pub(crate) struct Fault {
    error: Error,
    status: StatusCode,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        if let Some(cause) = error.cause() {
            match error.code() {
                Code::Internal => tracing::error!(code = %error.code(), cause, "pages: {}", error.message()),
                _ => tracing::debug!(code = %error.code(), cause, "pages: {}", error.message()),
            }
        }
        let status = status(error.code());
        Self { error, status }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let title = match self.status {
            StatusCode::NOT_FOUND => "There is no such page",
            StatusCode::FORBIDDEN => "This is not allowed",
            status if status.is_client_error() => "This cannot be shown",
            _ => "Something went wrong",
        };
        let body = html! {
            h1 { (title) }
            (explained(&self.error))
            p { a href="/projects" { "Go to the projects" } }
        };
        let page = Page { title, visitor: None, crumbs: &[], twin: &[], body };
        (self.status, page.into_html()).into_response()
    }
}

/// An error within a page.
pub(crate) fn explained(error: &Error) -> maud::Markup {
    html! {
        div.notice.bad role="alert" {
            p { strong { (error.message()) } }
            @if let Some(hint) = error.next_step() { p { (hint) } }
            p.code { (error.code()) }
        }
    }
}

/// The fallback for whatever is no address.
pub(crate) async fn no_such_page(uri: Uri) -> Fault {
    no_page(uri.path())
}

/// The fallback for an address that exists, with a method it does not answer to.
pub(crate) async fn wrong_method(method: Method, uri: Uri) -> Fault {
    let what = format!("`{}` does not answer to {method}", shown(uri.path()));
    let error = Error::new(Code::InvalidRequest, what).hint("follow a link of a page");
    Fault { error, status: StatusCode::METHOD_NOT_ALLOWED }
}

/// An address that is none.
pub(crate) fn no_page(path: &str) -> Fault {
    Error::new(Code::NotFound, format!("`{}` is no address of this platform", shown(path)))
        .hint("follow a link of a page, or look at the projects")
        .into()
}

/// What of a request cannot be read.
pub(crate) fn unreadable(what: &str) -> Error {
    Error::new(Code::InvalidRequest, format!("{what} cannot be read")).hint("follow a link of a page")
}

fn shown(path: &str) -> String {
    path.chars().take(200).collect()
}

/// The status of a code. Only whose fault it is matters to a browser.
pub(crate) fn status(code: Code) -> StatusCode {
    match code {
        Code::NotFound | Code::ImageNotFound => StatusCode::NOT_FOUND,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Forbidden => StatusCode::FORBIDDEN,
        Code::InvalidRequest | Code::InvalidImageReference => StatusCode::BAD_REQUEST,
        Code::Conflict => StatusCode::CONFLICT,
        Code::TargetUnavailable | Code::DiskFull | Code::DeadlineExceeded => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
