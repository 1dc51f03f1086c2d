//! `/events`: who did what, and what happened.

use std::collections::HashMap;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use mirage_control::{Control, EventSearch, Listing, ServicePath};
use mirage_core::{Code, EVENT_KINDS, Error, Event, Result, ServiceId};
use serde::Deserialize;

use crate::fault::{Fault, explained, status, unreadable};
use crate::field::Field;
use crate::keys;
use crate::link;
use crate::live::{Pieces, follow, followed};
use crate::prose::beginning;
use crate::shell::{Page, more};
use crate::visitor::Visitor;
use crate::when::{cut, exact};

/// Events on a page.
const MOST: u32 = 50;
/// The longest text of an event, in characters.
const TEXT: usize = 300;
/// How far back can be looked: as the address and the command line have it, in words, in hours.
const SINCE: [(&str, &str, i64); 4] = [
    ("1h", "the last hour", 1),
    ("1d", "the last day", 24),
    ("7d", "the last 7 days", 7 * 24),
    ("30d", "the last 30 days", 30 * 24),
];

/// What stands behind the `?` of the address: which events are wanted, and from where on.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    service: String,
    kind: String,
    actor: String,
    since: String,
    before: Option<i64>,
    after: Option<i64>,
}

type Asked = Result<Query<Wanted>, QueryRejection>;

/// `GET /events`
pub(crate) async fn list(
    State(control): State<Control>,
    visitor: Visitor,
    asked: Asked,
) -> Result<Response, Fault> {
    let wanted = wanted(asked)?;
    let found = match wanted.search(control.now()) {
        Ok(search) => {
            control.events_before(visitor.actor(), &search, wanted.before.unwrap_or(i64::MAX), MOST).await
        }
        Err(error) => Err(error),
    };
    let (listing, error) = match found {
        Ok(listing) => (listing, None),
        Err(error) => (Listing { items: Vec::new(), more: false }, Some(wanted.at_field(error))),
    };
    let places = control.service_paths(visitor.actor()).await?;
    let body = html! {
        h1 { "Events" }
        (wanted.filter(error.as_ref()))
        @if error.is_none() { (found_ones(&wanted, &listing, &places)) }
    };
    let twin = [wanted.command()];
    let page = Page { title: "Events", visitor: Some(&visitor), crumbs: &[], twin: &twin, body };
    let status = error.map_or(StatusCode::OK, |error| status(error.code()));
    Ok((status, page.into_html()).into_response())
}

/// `GET /live/events`: those that follow the newest that the page has
pub(crate) async fn stream(
    State(control): State<Control>,
    visitor: Visitor,
    asked: Asked,
) -> Result<Response, Fault> {
    let wanted = wanted(asked)?;
    let (search, after) = (wanted.search(control.now())?, wanted.after.unwrap_or(i64::MAX));
    let (here, actor, of) = (control.clone(), visitor.actor().clone(), search.clone());
    let render = move || {
        let (control, actor, search) = (here.clone(), actor.clone(), of.clone());
        async move {
            let listing = control.events_before(&actor, &search, i64::MAX, MOST).await?;
            let places = control.service_paths(&actor).await?;
            let newer = listing.items.iter().rev().take_while(|event| event.number > after);
            let has_hole = listing.more && listing.items.first().is_some_and(|oldest| oldest.number > after);
            let rows = html! {
                @for event in newer { (row(event, &places)) }
                @if has_hole {
                    tr { td colspan="4" { a href="/events" { "More happened since than is shown: load the page anew" } } }
                }
            };
            Ok(Pieces { pieces: vec![("newer".into(), rows)], ..Pieces::default() })
        }
    };
    follow(&control, &visitor, &search, render).await
}

fn wanted(asked: Asked) -> Result<Wanted> {
    asked.map(|Query(wanted)| wanted).map_err(|_| unreadable("what follows `?` in the address"))
}

impl Wanted {
    fn search(&self, now: Timestamp) -> Result<EventSearch> {
        let some = |text: &str| Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
        let kind = some(&self.kind);
        if let Some(kind) = kind.as_ref().filter(|kind| !EVENT_KINDS.iter().any(|(known, _)| known == kind)) {
            return Err(refused("kind", format!("there is no kind of event `{kind}`")));
        }
        let since = match some(&self.since) {
            None => None,
            Some(text) => {
                let known = SINCE.iter().find(|(known, ..)| *known == text);
                let (.., hours) =
                    known.ok_or_else(|| refused("since", format!("`{text}` is no time here")))?;
                now.checked_sub(SignedDuration::from_hours(*hours)).ok()
            }
        };
        let service = some(&self.service).map(|text| text.parse()).transpose();
        Ok(EventSearch {
            service: service.map_err(|error: Error| error.field("service"))?,
            kind,
            actor: some(&self.actor),
            since,
            ..EventSearch::default()
        })
    }

    /// What is wrong, at a field of the filter: what is not found is the service.
    fn at_field(&self, error: Error) -> Error {
        match error.at_field() {
            None if !self.service.is_empty() => error.field("service"),
            _ => error,
        }
    }

    fn is_all(&self) -> bool {
        [&self.service, &self.kind, &self.actor, &self.since].iter().all(|text| text.trim().is_empty())
    }

    /// The filter as it stands behind the `?` of an address.
    fn query(&self) -> String {
        let named = [
            ("service", &self.service),
            ("kind", &self.kind),
            ("actor", &self.actor),
            ("since", &self.since),
        ];
        let said = named.iter().filter(|(_, text)| !text.trim().is_empty());
        said.map(|(name, text)| format!("{name}={}&", link::quoted(text.trim()))).collect()
    }

    /// The command that shows the same.
    fn command(&self) -> String {
        let named = [
            ("service", &self.service),
            ("kind", &self.kind),
            ("actor", &self.actor),
            ("since", &self.since),
        ];
        let plain = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-/".contains(&byte))
        };
        let said = named.iter().filter(|(_, text)| plain(text));
        said.fold("mirage events".to_owned(), |all, (name, text)| format!("{all} --{name} {text}"))
    }

    fn filter(&self, error: Option<&Error>) -> Markup {
        let field = |name: &'static str, label: &'static str, value, example: &'static str| Field {
            name,
            label,
            value,
            example,
            error,
            ..Field::default()
        };
        let kinds: Vec<_> = [("", "anything")].into_iter().chain(EVENT_KINDS).collect();
        let since: Vec<_> =
            [("", "any time")].into_iter().chain(SINCE.map(|(value, words, _)| (value, words))).collect();
        let known = ["service", "kind", "actor", "since"];
        let elsewhere = error.filter(|error| !error.at_field().is_some_and(|field| known.contains(&field)));
        html! {
            form.filter action="/events" role="search" aria-label="Filter" {
                (Field { key: Some(keys::FILTER), ..field("service", "Service", &self.service, "web") }.text())
                (field("kind", "What", &self.kind, "").choice(&kinds))
                (field("actor", "Who", &self.actor, "admin").text())
                (field("since", "Since", &self.since, "").choice(&since))
                div.actions {
                    button type="submit" { "Filter" }
                    @if !self.is_all() { a href="/events" { "Show all" } }
                }
            }
            @if let Some(error) = elsewhere { (explained(error)) }
        }
    }
}

fn refused(field: &str, what: String) -> Error {
    Error::new(Code::InvalidRequest, what).field(field).hint("choose one of the list")
}

fn found_ones(wanted: &Wanted, listing: &Listing<Event>, places: &HashMap<ServiceId, ServicePath>) -> Markup {
    let newest = listing.items.last().map_or(0, |event| event.number);
    let table = html! {
        div.scroll role="group" aria-label="Events" tabindex="0" {
            table {
                thead {
                    tr {
                        th scope="col" { "Time" } th scope="col" { "Who" } th scope="col" { "Service" }
                        th scope="col" { "What" }
                    }
                }
                @if wanted.before.is_none() { tbody #newer sse-swap="newer" {} }
                tbody {
                    @for event in listing.items.iter().rev() { (row(event, places)) }
                    @if listing.items.is_empty() { tr { td.quiet colspan="4" { "No event is like that." } } }
                }
            }
        }
    };
    html! {
        @if listing.items.is_empty() && wanted.is_all() && wanted.before.is_none() {
            div.empty {
                p { strong { "Nothing happened yet." } }
                p { "What is done and what happens is listed here. Deploy an image: "
                    code { "mirage deploy nginx:1.27" } }
            }
        } @else if wanted.before.is_none() {
            (followed(&format!("/live/events?{}after={newest}", wanted.query()), table))
        } @else { (table) }
        @if let Some(oldest) = listing.items.first().filter(|_| listing.more) {
            (more(&format!("/events?{}before={}", wanted.query(), oldest.number), "Older events"))
        }
    }
}

fn row(event: &Event, places: &HashMap<ServiceId, ServicePath>) -> Markup {
    let place = event.service.and_then(|id| places.get(&id));
    html! {
        tr {
            td { (exact(event.time)) }
            td { (cut(&event.actor, TEXT)) }
            td { @match (place, event.service) {
                (Some(path), _) => {
                    a href=(link::at(path)) { (path.name) }
                    " " span.quiet { (path.project) "/" (path.environment) }
                },
                (None, Some(id)) => span.quiet.mono title=(id) { "removed" },
                (None, None) => "",
            } }
            td {
                (beginning(&event.kind.told(), TEXT))
                // A deployment is there as long as its service.
                @if let (Some(_), Some(id)) = (place, event.deployment) {
                    " " a.quiet href=(link::deployment(id)) { "deployment" }
                }
            }
        }
    }
}
