//! `/projects/{project}/{environment}/{service}/logs`: what a service wrote, and what it writes.

mod form;
mod lines;
mod stream;
mod wish;

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream as streams};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use maud::{Markup, html};
use mirage_control::{Control, LogMarker, ServiceLine, ServiceView};
use mirage_core::{Code, Error, LogCursor, Name, Result};

pub(crate) use self::lines::coloured;
use self::lines::{Painter, grouped, plain};
use self::stream::Follower;
pub(crate) use self::wish::Wish;
use super::At;
use super::service::{Named, Tab, named, service_frame};
use crate::asset::LOG;
use crate::copy::shell_word;
use crate::fault::{Fault, explained};
use crate::link;
use crate::live;
use crate::shell::page_script;
use crate::visitor::Visitor;

/// Bytes of markup for each line that is asked for, on average.
const LINE_BYTES: usize = 270;
/// Lines of a download.
const DOWNLOAD_MAX: usize = 10_000;

/// What is looked at, when the whole of it could be read.
struct Found {
    lines: Vec<ServiceLine>,
    marker: Option<LogMarker>,
    stream: String,
}

/// `GET /projects/{project}/{environment}/{service}/logs`
pub(crate) async fn page(
    State(control): State<Control>,
    visitor: Visitor,
    At(at): At<Named>,
    wish: Wish,
) -> Result<Response, Fault> {
    let view = named(&control, &visitor, at).await?;
    let found = match found(&control, &visitor, &view, &wish).await {
        Err(error) if error.code() != Code::InvalidRequest => return Err(error.into()),
        found => found.map_err(of_pages),
    };
    let error = found.as_ref().err();
    let others = others(&control, &visitor, &view).await?;
    let path = path(&view);
    let body = html! {
        section.logs aria-label="Logs" {
            (form::form(&path, &wish, &others, &view, error))
            @if let Some(error) = error.filter(|error| !is_shown_by_form(error)) { (explained(error)) }
            (narrowed(&path, &wish))
            @if let Ok(found) = &found { (log(&control, &view, &wish, found)) }
        }
        (page_script(&LOG))
    };
    let status = error.map_or(StatusCode::OK, |_| StatusCode::UNPROCESSABLE_ENTITY);
    let twin = [twin(&view, &wish)];
    let html = service_frame(&view, &visitor, Tab::Logs, control.now(), (None, &twin), &body);
    Ok((status, html).into_response())
}

/// `GET /live/projects/{project}/{environment}/{service}/logs`
pub(crate) async fn follow(
    State(control): State<Control>,
    visitor: Visitor,
    At(at): At<Named>,
    wish: Wish,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let view = named(&control, &visitor, at).await?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let cursor = wish.cursor(last)?;
    let mut search = wish.search(control.now())?;
    if !cursor.is_empty() {
        // Who goes on wants every line there is.
        search.query.limit = None;
    }
    search.query.after = cursor.places();
    search.query.others_after = cursor.others_after();
    let painter = Painter { marker: wish.marker()?, services: told_apart(&view, &wish) };
    let permit = live::permit()?;
    let lines = control.follow_logs(visitor.actor(), &wish.services(&view)?, &search).await?;
    Ok(Follower { control, lines, painter, cursor, permit }.into_response())
}

/// `GET /projects/{project}/{environment}/{service}/logs/download`: the last lines as a file
pub(crate) async fn download(
    State(control): State<Control>,
    visitor: Visitor,
    At(at): At<Named>,
    wish: Wish,
) -> Result<Response, Fault> {
    let view = named(&control, &visitor, at).await?;
    let mut search = wish.search(control.now())?;
    search.query.limit = Some(DOWNLOAD_MAX);
    let lines = control.logs(visitor.actor(), &wish.services(&view)?, &search).await?;
    let with_service = !wish.with.is_empty();
    let text = lines.into_iter().map(move |line| Ok::<_, Infallible>(plain(&line, with_service)));
    // Names have nothing in them that would have to be quoted.
    let file = format!("attachment; filename=\"{}.log\"", view.service.name);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::try_from(file).map_err(|error| Error::internal("name a file", error))?,
        ),
    ];
    Ok((headers, Body::from_stream(streams::iter(text).boxed())).into_response())
}

async fn found(control: &Control, visitor: &Visitor, view: &ServiceView, wish: &Wish) -> Result<Found> {
    let now = control.now();
    let marker = wish.marker()?;
    let search = wish.search(now)?;
    let lines = control.logs(visitor.actor(), &wish.services(view)?, &search).await?;
    let stream = wish.fixed(now)?.address(&format!("/live{}", path(view)));
    Ok(Found { lines, marker, stream })
}

/// The other services of the environment, by name.
async fn others(control: &Control, visitor: &Visitor, view: &ServiceView) -> Result<Vec<String>> {
    let all = control.service_paths(visitor.actor()).await?;
    let beside = all.into_values().filter(|path| {
        path.project == view.project.name
            && path.environment == view.environment.name
            && path.name != view.service.name
    });
    let mut names: Vec<String> = beside.map(|path| path.name.to_string()).collect();
    names.sort_unstable();
    Ok(names)
}

/// The names of the services, where there are several.
fn told_apart(view: &ServiceView, wish: &Wish) -> Vec<String> {
    if wish.with.is_empty() {
        return Vec::new();
    }
    let own = view.service.name.to_string();
    let others = wish.with.iter().filter(|name| **name != own).cloned();
    std::iter::once(own.clone()).chain(others).collect()
}

/// The lines, with what can be done with them.
fn log(control: &Control, view: &ServiceView, wish: &Wish, found: &Found) -> Markup {
    let mut cursor = LogCursor::default();
    found.lines.iter().for_each(|line| cursor.pass(line.line.place(), line.line.time));
    let painter = Painter { marker: found.marker.clone(), services: told_apart(view, wish) };
    let painted = painter.newest(&found.lines, wish.count() * LINE_BYTES, control.now());
    let path = path(view);
    html! {
        div.log-bar {
            a href=(format!("{}#log-end", wish.address(&path))) { "Load anew" }
            a href=(wish.address(&format!("{path}/download"))) { "Download" }
            button #log-copy type="button" hidden { "Copy" }
            span #log-said role="status" {}
            noscript { "Lines that are written later are shown when the page is loaded anew." }
        }
        @if painted.left_out > 0 {
            p.quiet { "Older lines, " (painted.left_out) ", would be too much for a page; the download has them." }
        }
        p.quiet #log-dropped hidden {}
        div #log.nowrap[wish.nowrap] role="log" aria-live="off" aria-label="Lines" tabindex="0"
            data-stream=(found.stream) data-after=(cursor) {
            @if painted.lines.is_empty() { (empty(view, wish)) }
            div #log-lines { (grouped(&painted.lines)) }
            div #log-end {}
        }
        button.primary #log-new type="button" hidden { "Go to the end" }
    }
}

fn empty(view: &ServiceView, wish: &Wish) -> Markup {
    let asks = !(wish.text.is_empty() && wish.level.is_empty() && wish.since.is_empty());
    let is_narrow = (asks && !wish.all) || !wish.deployment.is_empty() || !wish.instance.is_empty();
    html! {
        div.empty #log-empty {
            @if is_narrow {
                p { strong { "No line is like that." } }
                p { "Lines like that appear here as they are written. " a href=(path(view)) { "Show all lines" } }
            } @else {
                p { strong { (view.service.name) " has not written anything yet." } }
                p { "What its processes write to their standard output and error appears here. Follow it in a \
                     terminal: " code { "mirage logs " (link::spoken(view)) " -f" } }
            }
        }
    }
}

/// What narrows a log that is no field of the form.
fn narrowed(path: &str, wish: &Wish) -> Markup {
    let whole = Wish { deployment: String::new(), instance: String::new(), ..wish.clone() };
    html! {
        @if !wish.deployment.is_empty() || !wish.instance.is_empty() {
            p {
                "Only lines of "
                @if !wish.instance.is_empty() { "instance " span.mono { (wish.instance) } }
                @else { "deployment " span.mono { (wish.deployment) } }
                ". " a href=(whole.address(path)) { "Show those of all" }
            }
        }
    }
}

/// What is said to somebody in a terminal, said to somebody at a browser.
fn of_pages(error: Error) -> Error {
    let (field, message) = match error.at_field() {
        Some("regex") => ("regex", error.message().replace("`regex`", "this")),
        Some("grep") => ("grep", error.message().replace("`grep`", "this")),
        _ => return error,
    };
    Error::new(error.code(), message)
        .field(field)
        .hint("without “Regular expression” it is looked for as it is, up to 1000 bytes")
}

fn is_shown_by_form(error: &Error) -> bool {
    error.at_field().is_some_and(|field| ["grep", "regex", "level", "since"].contains(&field))
}

fn path(view: &ServiceView) -> String {
    format!("{}/logs", link::service(view))
}

fn twin(view: &ServiceView, wish: &Wish) -> String {
    let (project, environment) = (&view.project.name, &view.environment.name);
    let mut command = format!("mirage logs {}", link::spoken(view));
    for name in wish.with.iter().filter(|name| name.parse::<Name>().is_ok()) {
        command.push_str(&format!(" {project}/{environment}/{name}"));
    }
    command.push_str(" -f");
    let search = if wish.is_regex { "--regex" } else { "--grep" };
    let pattern = if wish.all { "" } else { wish.text.as_str() };
    let options = [
        (search, pattern),
        ("--level", wish.level.as_str()),
        ("--since", wish.since.as_str()),
        ("--deployment", wish.deployment.as_str()),
    ];
    for (option, value) in options.into_iter().filter(|(_, value)| !value.is_empty()) {
        command.push_str(&format!(" {option} {}", shell_word(value)));
    }
    command
}
