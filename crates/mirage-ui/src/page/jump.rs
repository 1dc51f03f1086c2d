//! `/jump`: one field that leads anywhere. With script it is a palette over any page.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Response};
use http::HeaderMap;
use maud::{Markup, html};
use mirage_control::{Control, Found};
use mirage_core::Result;
use serde::Deserialize;

use crate::fault::Fault;
use crate::link;
use crate::navigation::PLACES;
use crate::page::settings::TABS;
use crate::shell::Page;
use crate::visitor::Visitor;

/// Services that are found at a time.
const MOST: u32 = 12;
/// Pages beside those of the navigation: address and name.
const ALSO: [(&str, &str); 2] = [("/new", "New service"), ("/keys", "Keys")];

/// What is looked for.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    q: String,
}

/// Somewhere to go: address, name, and what it is.
pub(crate) struct Hit {
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) what: String,
}

/// `GET /jump`: the page; what was found alone, where script asks for it
pub(crate) async fn find(
    State(control): State<Control>,
    visitor: Visitor,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Fault> {
    let text = wanted.map(|Query(wanted)| wanted.q).unwrap_or_default();
    let hits = hits(&control, &visitor, &text).await?;
    if headers.contains_key("hx-request") {
        return Ok(Html(list(&hits).into_string()).into_response());
    }
    let body = html! { h1 { "Jump to" } (field(&text, &hits)) };
    let twin = ["mirage services".to_owned()];
    let page = Page { title: "Jump to", visitor: Some(&visitor), crumbs: &[], twin: &twin, body };
    Ok(page.into_html().into_response())
}

/// The palette, closed. The page of the same name has its field in the open.
pub(crate) fn palette(visitor: &Visitor) -> Markup {
    html! {
        @if !visitor.path().starts_with("/jump") {
            dialog #palette aria-label="Jump to" { (field("", &[])) }
        }
    }
}

/// The field with what was found under it.
fn field(text: &str, hits: &[Hit]) -> Markup {
    html! {
        form.jump action="/jump" role="search" {
            label for="jump" { "A service, a project, a page, or how the id of a deployment begins" }
            input #jump name="q" type="search" value=(text) autocomplete="off" spellcheck="false"
                hx-get="/jump" hx-trigger="input changed delay:60ms, open" hx-target="#found" hx-sync="this:replace";
            button.sr type="submit" { "Jump" }
        }
        div #found aria-live="polite" { @if !text.is_empty() || !hits.is_empty() { (list(hits)) } }
    }
}

fn list(hits: &[Hit]) -> Markup {
    html! {
        @if hits.is_empty() { p.quiet { "Nothing is called so." } } @else {
            ul.list { @for hit in hits { li { a href=(hit.path) { (hit.name) } " " span.quiet { (hit.what) } } } }
        }
    }
}

/// Where a text may lead.
async fn hits(control: &Control, visitor: &Visitor, text: &str) -> Result<Vec<Hit>> {
    let wanted = text.trim().to_lowercase();
    let places = PLACES.iter().map(|place| (place.path, place.name)).chain(ALSO).chain(TABS);
    let named = places.filter(|(_, name)| name.to_lowercase().contains(&wanted));
    let pages = named.map(|(path, name)| Hit { path: path.into(), name: name.into(), what: "page".into() });
    let found = control.search(visitor.actor(), text, MOST).await?.into_iter().map(hit);
    // Where nothing was typed yet, everything is found: services are what is looked for most.
    Ok(if wanted.is_empty() { found.chain(pages).collect() } else { pages.chain(found).collect() })
}

/// What may have been meant by an address that leads nowhere.
pub(crate) async fn near(control: &Control, visitor: &Visitor, path: &str) -> Vec<Hit> {
    let Some(name) = path.rsplit('/').find(|part| !part.is_empty()) else { return Vec::new() };
    let services = control.similar(visitor.actor(), name, 5).await.unwrap_or_default();
    services.into_iter().map(|path| hit(Found::Service(path))).collect()
}

fn hit(found: Found) -> Hit {
    match found {
        Found::Project(name) => {
            Hit { path: format!("/projects/{name}"), name: name.to_string(), what: "project".into() }
        }
        Found::Service(path) => Hit {
            path: link::at(&path),
            name: path.name.to_string(),
            what: format!("service in {}/{}", path.project, path.environment),
        },
        Found::Deployment(id, of) => {
            Hit { path: link::deployment(id), name: id.to_string(), what: format!("deployment of {of}") }
        }
    }
}
