//! Errors as pages: the code, the sentence, the next thing to do.

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::html;
use mirage_control::{Control, OLD_FORM};
use mirage_core::{Code, Error};

use crate::guard;
use crate::link;
use crate::page::jump::{Hit, near};
use crate::page::wizard::became;
use crate::prose::prose;
use crate::shell::Page;
use crate::visitor::Visitor;

/// What every page has where hints name commands.
const ANYWHERE: Advice = Advice {
    fields: &[],
    instead: &[
        (Code::NotFound, "", "follow a link of a page: it may have been removed, or have another name"),
        (Code::Forbidden, "", "log in with the admin token"),
    ],
};

/// Why there is no page.
#[derive(Clone)]
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
        // Its form does not come back.
        let error = match error.message() == OLD_FORM {
            true => error.hint("nothing was done: go back, load the page anew, and do it again"),
            false => error,
        };
        Self { error, status }
    }
}

impl Fault {
    /// The page that says so, with the navigation of whoever is known, and where they may have wanted to go.
    fn page(&self, visitor: Option<&Visitor>, near: &[Hit]) -> Html<String> {
        let title = match self.status {
            StatusCode::NOT_FOUND => "There is no such page",
            StatusCode::FORBIDDEN => "This is not allowed",
            status if status.is_client_error() => "This cannot be shown",
            _ => "Something went wrong",
        };
        let body = html! {
            h1 { (title) }
            (explained(&ANYWHERE.told(self.error.clone())))
            @if !near.is_empty() {
                section aria-labelledby="near" {
                    h2 #near { "Did you mean" }
                    ul.list { @for hit in near { li { a href=(hit.path) { (hit.name) } " " span.quiet { (hit.what) } } } }
                }
            }
            p { a href="/projects" { "Go to the projects" } }
        };
        let twin = visitor.map(|_| "mirage services".to_owned());
        Page { title, visitor, crumbs: &[], twin: twin.as_slice(), body }.into_html()
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.page(None, &[])).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Puts the navigation around what went wrong for somebody who is logged in: whoever reports a fault does not always
/// know for whom.
pub(crate) async fn framed(State(control): State<Control>, request: Request, next: Next) -> Response {
    let (method, uri, headers) = (request.method().clone(), request.uri().clone(), request.headers().clone());
    let mut response = next.run(request).await;
    let Some(fault) = response.extensions_mut().remove::<Fault>() else { return response };
    let Some(visitor) = Visitor::of(&headers, &control) else { return response };
    let visitor = visitor.at(&method, &uri);
    // Whoever presses twice, or goes back to what was deployed, is led to what came of it.
    if fault.status == StatusCode::NOT_FOUND
        && !headers.contains_key("hx-request")
        && let Some(path) = became(&control, &visitor, uri.path()).await
    {
        return Redirect::to(&path).into_response();
    }
    let near = match fault.status {
        StatusCode::NOT_FOUND => near(&control, &visitor, uri.path()).await,
        _ => Vec::new(),
    };
    (fault.status, fault.page(Some(&visitor), &near)).into_response()
}

/// An error within a page.
pub(crate) fn explained(error: &Error) -> maud::Markup {
    html! {
        div.notice.bad role="alert" {
            p { strong { (prose(error.message())) } }
            @if let Some(hint) = error.next_step() { p { (prose(hint)) } }
            p.code { (error.code()) }
        }
    }
}

/// What a page has where a hint sends its reader to a command: hints are written for the command line, and told in the
/// words of the page where that has the thing itself.
pub(crate) struct Advice {
    /// Options of commands, and the name of the field that says the same.
    pub(crate) fields: &'static [(&'static str, &'static str)],
    /// What to do instead of a command: code and field of the error, `""` for any field, and the words.
    pub(crate) instead: &'static [(Code, &'static str, &'static str)],
}

impl Advice {
    /// The error with its hint in words of the page. One that names no command is as good there.
    pub(crate) fn told(&self, error: Error) -> Error {
        let Some(hint) = error.next_step().filter(|hint| names_a_command(hint)) else { return error };
        let is_it = |code: Code, field: &str| {
            code == error.code() && (field.is_empty() || error.at_field() == Some(field))
        };
        let words = match self.instead.iter().find(|(code, field, _)| is_it(*code, field)) {
            Some((.., words)) => (*words).to_owned(),
            None => self.hint(hint),
        };
        error.hint(words)
    }

    /// A hint with the names of fields where it names options: of `--port 80` it makes “Ports” `80`.
    pub(crate) fn hint(&self, hint: &str) -> String {
        let parts: Vec<&str> = hint.split('`').collect();
        let mut told = String::new();
        for (at, part) in parts.iter().enumerate() {
            let is_code = at % 2 == 1 && at + 1 < parts.len();
            let (option, value) = part.split_once(' ').unwrap_or((part, ""));
            match self.fields.iter().find(|(known, _)| is_code && *known == option) {
                Some((_, label)) if value.is_empty() => told += &format!("“{label}”"),
                Some((_, label)) => told += &format!("“{label}” `{value}`"),
                None if is_code => told += &format!("`{part}`"),
                None if at % 2 == 1 => told += &format!("`{part}"),
                None => told += part,
            }
        }
        told
    }
}

/// Whether a hint speaks to somebody at a terminal.
fn names_a_command(hint: &str) -> bool {
    ["`mirage ", "`skopeo ", "`--"].iter().any(|begin| hint.contains(begin))
}

/// The page about a request that was refused before any page was asked.
pub(crate) fn refused(error: Error) -> Response {
    guard::dressed(Fault::from(error).into_response())
}

/// The fallback for whatever is no address.
pub(crate) async fn no_such_page(uri: Uri) -> Fault {
    no_page(uri.path())
}

/// The fallback for an address that exists, with a method it does not answer to. One that only takes forms is looked at
/// by whoever had to log in before theirs was taken, and is led to the page above it.
pub(crate) async fn wrong_method(method: Method, uri: Uri) -> Response {
    if method == Method::GET
        && let Some((above, _)) = uri.path().rsplit_once('/').filter(|(above, _)| !above.is_empty())
    {
        return Redirect::to(link::next(above)).into_response();
    }
    let what = format!("`{}` does not answer to {method}", shown(uri.path()));
    let error = Error::new(Code::InvalidRequest, what).hint("follow a link of a page");
    Fault { error, status: StatusCode::METHOD_NOT_ALLOWED }.into_response()
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

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Advice = Advice {
        fields: &[("--port", "Ports"), ("--health-path", "Path")],
        instead: &[
            (Code::NameTaken, "name", "choose another name"),
            (Code::ImageNotFound, "", "look at the tags"),
        ],
    };

    #[test]
    fn a_hint_for_the_command_line_is_told_in_words_of_the_page() {
        let told = |code, field: &str, hint: &str| {
            let error = PAGE.told(Error::new(code, "no").field(field).hint(hint));
            error.next_step().unwrap().to_owned()
        };
        assert_eq!(
            told(Code::NameTaken, "name", "`mirage deploy --name web` deploys to it"),
            "choose another name"
        );
        assert_eq!(told(Code::NameTaken, "host", "`mirage x`"), "`mirage x`", "another field");
        assert_eq!(
            told(Code::ImageNotFound, "image", "`skopeo list-tags REF` lists them"),
            "look at the tags"
        );
        assert_eq!(
            told(Code::ImageNotFound, "image", "check the spelling"),
            "check the spelling",
            "as good here"
        );
        assert_eq!(
            told(Code::ProbeFailed, "", "deploy with `--port 3000`, or name `--health-path`; `--x` stays"),
            "deploy with “Ports” `3000`, or name “Path”; `--x` stays"
        );
    }

    #[test]
    fn a_hint_keeps_what_is_no_option() {
        for hint in ["", "say `x` and `y`", "a ` alone", "`--portly` and `--ports 3`"] {
            assert_eq!(PAGE.hint(hint), hint);
        }
    }
}
