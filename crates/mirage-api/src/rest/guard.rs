//! What holds for every address of this face.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use mirage_core::{Code, Error};

use super::error::Problem;

/// How long a request may take until its answer begins. A registry that is asked on the way has
/// deadlines of its own, which end earlier.
const DEADLINE: Duration = Duration::from_secs(120);

/// Ends requests that take too long. What follows the head of an answer, such as events, is not limited, and
/// neither is a file that is being sent, as long as it goes on.
pub(super) async fn deadline(request: Request, next: Next) -> Response {
    if request.method() == Method::PUT && request.uri().path().ends_with("/backup") {
        return next.run(request).await;
    }
    match tokio::time::timeout(DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let message = format!("the request was not answered within {} seconds", DEADLINE.as_secs());
            Problem::from(Error::new(Code::DeadlineExceeded, message)).into_response()
        }
    }
}

/// How somebody at a browser reads an error.
pub(crate) type Page = fn(Error) -> Response;

/// Refuses what a browser asks in the name of another site's page: it may come with a login that the
/// page knows nothing of.
pub(super) async fn same_site(State(page): State<Option<Page>>, request: Request, next: Next) -> Response {
    if is_foreign(&request) {
        let error = Error::new(Code::Forbidden, "the request comes from a page of another site")
            .hint("use the command line, or a page of this platform");
        return match page.filter(|_| wants_a_page(&request)) {
            Some(page) => page(error.hint("open the platform's own page, and do it there")),
            None => Problem::from(error).into_response(),
        };
    }
    next.run(request).await
}

/// Whether somebody reads the answer at a browser.
fn wants_a_page(request: &Request) -> bool {
    let accepts = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let is_for_programs = ["/api", "/v2"].iter().any(|face| request.uri().path().starts_with(face));
    accepts.is_some_and(|accepts| accepts.contains("text/html")) && !is_for_programs
}

/// Whether a browser asks this for a page of another site. A link there may lead here; what it may not
/// do is change something.
fn is_foreign(request: &Request) -> bool {
    let told = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let follows_a_link = request.method() == Method::GET && told("sec-fetch-mode") == Some("navigate");
    matches!(told("sec-fetch-site"), Some("cross-site" | "same-site")) && !follows_a_link
}

/// Answers are for the caller alone and are what they say they are.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// An address below `/api` that is none.
pub(super) async fn no_such_address(uri: Uri) -> Problem {
    let shown: String = uri.path().chars().take(200).collect();
    Error::new(Code::NotFound, format!("`{shown}` is no address of the API"))
        .hint("`/api/openapi.json` lists them")
        .into()
}

/// An address that exists, with a method it does not answer to.
pub(super) async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let shown: String = uri.path().chars().take(200).collect();
    let error = Error::new(Code::InvalidRequest, format!("`{shown}` does not answer to {method}"))
        .hint("`/api/openapi.json` lists what it answers to");
    Problem::from(error).with_status(StatusCode::METHOD_NOT_ALLOWED)
}
