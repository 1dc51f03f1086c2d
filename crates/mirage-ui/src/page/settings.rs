//! `/settings`: the platform itself, a page for each part of it.

pub(crate) mod about;
pub(crate) mod backup;
pub(crate) mod certificates;
pub(crate) mod mirrors;
pub(crate) mod tokens;
pub(crate) mod vault;

use axum::response::{Html, Redirect};
use maud::{Markup, html};
use mirage_control::{Control, EventSearch};
use mirage_core::{Event, Result};

use crate::shell::Page;
use crate::visitor::Visitor;

/// The pages: address and name.
pub(crate) const TABS: [(&str, &str); 6] = [
    ("/settings/about", "About"),
    ("/settings/tokens", "Tokens"),
    ("/settings/mirrors", "Mirrors"),
    ("/settings/certificates", "Certificates"),
    ("/settings/vault", "Vault"),
    ("/settings/backup", "Backup"),
];

/// `GET /settings`
pub(crate) async fn first(_: Visitor) -> Redirect {
    Redirect::to("/settings/about")
}

/// One of them. `title` is the name that it has among them.
fn framed(visitor: &Visitor, title: &str, twin: &[String], body: &Markup) -> Html<String> {
    let body = html! {
        h1 { "Settings " span.quiet { (title) } }
        nav.tabs aria-label="Settings" {
            ul {
                @for (path, name) in TABS {
                    li { a href=(path) aria-current=[(name == title).then_some("page")] { (name) } }
                }
            }
        }
        (body)
    };
    let whole = format!("{title} · Settings");
    Page { title: &whole, visitor: Some(visitor), crumbs: &[], twin, body }.into_html()
}

/// The newest event of a kind.
async fn newest(control: &Control, visitor: &Visitor, kind: &str) -> Result<Option<Event>> {
    let search = EventSearch { kind: Some(kind.to_owned()), ..EventSearch::default() };
    Ok(control.events_before(visitor.actor(), &search, i64::MAX, 1).await?.items.pop())
}
