//! `/projects/{project}/{environment}`: the services of an environment, as a table or as cards.

mod entry;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use http::header;
use maud::{Markup, html};
use mirage_control::{
    Control, EventSearch, Listing, Page as Part, ProjectView, ServiceFilter, ServiceStatus, ServiceUsage,
    ServiceView,
};
use mirage_core::{Code, Environment, Error, Name, Result, ServiceId};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::At;
use crate::badge;
use crate::fault::{Fault, unreadable};
use crate::form::{Sent, form};
use crate::link;
use crate::live::{Around, Pieces, follow, followed, told};
use crate::shell::{Page, more};
use crate::visitor::{Visitor, cards_kept};

pub(crate) use entry::{badge_of, by, has_failed, image};

/// Services on a page.
const MOST: u32 = 28;
/// Environments that have a tab, beside the one that is shown.
const TABS: usize = 30;
/// The longest part of a name that is looked for, in characters.
const FIND: usize = 63;
/// How they are shown, as forms and addresses say it.
const CARDS: &str = "cards";
const TABLE: &str = "table";
/// The id of the element with all services.
const SERVICES: &str = "services";

/// The page, its stream, and what is posted to it.
pub(crate) fn routes() -> Router<Control> {
    Router::new()
        .route("/projects/{project}/{environment}", get(of_environment).post(lay_out))
        .route("/live/projects/{project}/{environment}", get(stream))
}

/// Which services are looked at.
#[derive(Clone, Deserialize)]
struct Asked {
    after: Option<String>,
    #[serde(default)]
    find: String,
    /// How the page shows them that is followed: meanwhile another page may have chosen otherwise.
    #[serde(rename = "as")]
    layout: Option<String>,
}

/// An environment with the services of a page.
struct Shown {
    project: ProjectView,
    environment: Environment,
    listing: Listing<ServiceView>,
    usage: HashMap<ServiceId, ServiceUsage>,
    asked: Asked,
    find: Option<String>,
    cards: bool,
}

/// `GET /projects/{project}`: its first environment; `production` where there is one
pub(crate) async fn of_project(
    State(control): State<Control>,
    visitor: Visitor,
    At(project): At<String>,
) -> Result<Redirect, Fault> {
    let view = control.project_named(visitor.actor(), &project.parse::<Name>()?).await?;
    let usual = view.environments.iter().find(|it| it.name.as_str() == "production");
    let shown = usual.or(view.environments.first()).ok_or_else(|| {
        Error::new(Code::NotFound, format!("`{project}` has no environment yet"))
            .hint(format!("`mirage deploy nginx:1.27 --project {project}` makes one"))
    })?;
    Ok(Redirect::to(&link::environment(view.project.name.as_str(), shown.name.as_str())))
}

/// `GET /projects/{project}/{environment}`
async fn of_environment(
    State(control): State<Control>,
    visitor: Visitor,
    At(place): At<(String, String)>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Html<String>, Fault> {
    let Query(asked) = asked.map_err(|_| unreadable("what follows `?` in the address"))?;
    let shown = Shown::of(&control, &visitor, &place, asked).await?;
    let path = shown.path();
    let is_empty = shown.listing.items.is_empty() && shown.asked.after.is_none();
    let body = html! {
        h1 { (shown.project.project.name) " " span.quiet { (shown.environment.name) } }
        (shown.tabs())
        @if !is_empty || shown.find.is_some() { (shown.tools(&visitor)) }
        div id=(SERVICES) sse-swap=(SERVICES) { (shown.services(&control)) }
        @if let Some(last) = shown.listing.items.last().filter(|_| shown.listing.more) {
            (more(&shown.address(&path, &format!("after={}:{}", last.service.name, last.service.id)), "More services"))
        }
        (told("services-told", &shown.told()))
    };
    let after = shown.asked.after.as_deref().map(|after| format!("after={after}&"));
    let layout = if shown.cards { CARDS } else { TABLE };
    let stream = shown.address(&format!("/live{path}"), &format!("{}as={layout}", after.unwrap_or_default()));
    let body = followed(&stream, body);
    let title = format!("{} {}", shown.project.project.name, shown.environment.name);
    let crumbs = [("Projects", "/projects".to_owned())];
    let twin = ["mirage services".to_owned()];
    Ok(Page { title: &title, visitor: Some(&visitor), crumbs: &crumbs, twin: &twin, body }.into_html())
}

/// `GET /live/projects/{project}/{environment}`
async fn stream(
    State(control): State<Control>,
    visitor: Visitor,
    At(place): At<(String, String)>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Fault> {
    let Query(asked) = asked.map_err(|_| unreadable("what follows `?` in the address"))?;
    // What is no such page is refused at once.
    let asked = Shown::of(&control, &visitor, &place, asked).await?.asked;
    let (looking, visitor) = (control.clone(), Arc::new(visitor));
    let all = Arc::new((place, asked));
    let who = Arc::clone(&visitor);
    let render = move || {
        let (control, visitor, all) = (looking.clone(), Arc::clone(&who), Arc::clone(&all));
        async move {
            let (place, asked) = &*all;
            Ok(Shown::of(&control, &visitor, place, asked.clone()).await?.pieces(&control))
        }
    };
    follow(&control, &visitor, &EventSearch::default(), render).await
}

/// `POST /projects/{project}/{environment}`: as a table or as cards from now on
async fn lay_out(At((project, environment)): At<(String, String)>, sent: Sent) -> Result<Response, Fault> {
    let path = link::environment(project.parse::<Name>()?.as_str(), environment.parse::<Name>()?.as_str());
    let cookie = [(header::SET_COOKIE, cards_kept(sent.fields.text("as") == CARDS))];
    Ok((cookie, Redirect::to(&path)).into_response())
}

impl Shown {
    async fn of(
        control: &Control,
        visitor: &Visitor,
        (project, environment): &(String, String),
        asked: Asked,
    ) -> Result<Self> {
        let view = control.project_named(visitor.actor(), &project.parse::<Name>()?).await?;
        let known = view.environments.iter().find(|it| it.name.as_str() == environment);
        let environment = known.cloned().ok_or_else(|| {
            Error::new(Code::NotFound, format!("`{project}` has no environment `{environment}`"))
                .hint("`mirage services` lists what there is, with its environment")
        })?;
        let find: String = asked.find.trim().chars().take(FIND).collect::<String>().to_lowercase();
        let find = Some(find).filter(|find| !find.is_empty());
        let filter = ServiceFilter {
            environment: Some(environment.id),
            part: find.clone(),
            ..ServiceFilter::default()
        };
        let after = asked.after.as_deref().map(|text| place(text).ok_or_else(|| unreadable("`after`")));
        let part = Part { after: after.transpose()?, limit: MOST };
        let listing = control.services(visitor.actor(), &filter, &part).await?;
        let ids: Vec<ServiceId> = listing.items.iter().map(|view| view.service.id).collect();
        let usage = control.usage(visitor.actor(), &ids).await?;
        let cards = asked.layout.as_deref().map_or(visitor.wants_cards(), |layout| layout == CARDS);
        Ok(Self { project: view, environment, listing, usage, asked, find, cards })
    }

    fn pieces(&self, control: &Control) -> Pieces {
        let now = control.now();
        let mut pieces: Vec<(String, Markup)> = Vec::with_capacity(self.listing.items.len() + 1);
        for view in &self.listing.items {
            let usage = self.usage.get(&view.service.id);
            pieces.push((
                entry::id(view),
                match self.cards {
                    true => entry::card(view, control, usage, now),
                    false => entry::cells(view, control, usage, now),
                },
            ));
        }
        pieces.push(("services-told".to_owned(), html! { (self.told()) }));
        let around = Around { id: SERVICES.to_owned(), key: self.key(), markup: self.services(control) };
        let moving = self.listing.items.iter().any(|view| view.status == ServiceStatus::Deploying);
        Pieces { pieces, around: Some(around), moving }
    }

    /// Says which services are shown.
    fn key(&self) -> String {
        let mut hasher = DefaultHasher::new();
        for view in &self.listing.items {
            view.service.id.hash(&mut hasher);
        }
        format!("{:x}", hasher.finish())
    }

    fn path(&self) -> String {
        link::environment(self.project.project.name.as_str(), self.environment.name.as_str())
    }

    /// An address with what is looked for.
    fn address(&self, path: &str, query: &str) -> String {
        match &self.find {
            Some(find) => format!("{path}?find={}&{query}", utf8_percent_encode(find, NON_ALPHANUMERIC)),
            None => format!("{path}?{query}"),
        }
    }

    /// How all of them are, for whoever hears the page.
    fn told(&self) -> String {
        let items = &self.listing.items;
        let unwell = items
            .iter()
            .filter(|view| !matches!(view.status, ServiceStatus::Active | ServiceStatus::Stopped))
            .map(|view| format!("{} {}", view.service.name, badge::in_words(view.status)));
        let failed = items
            .iter()
            .filter(|view| view.active.is_some() && has_failed(view))
            .map(|view| format!("the last deployment of {} has failed", view.service.name));
        let told: Vec<String> = unwell.chain(failed).collect();
        match told.is_empty() {
            true => "All services are as they should be".to_owned(),
            false => told.join(", "),
        }
    }

    fn services(&self, control: &Control) -> Markup {
        let items = &self.listing.items;
        let now = control.now();
        let usage = |view: &ServiceView| self.usage.get(&view.service.id);
        html! {
            @if items.is_empty() { (self.empty()) } @else if self.cards {
                ul.cards aria-label="Services" {
                    @for view in items {
                        li id=(entry::id(view)) sse-swap=(entry::id(view)) { (entry::card(view, control, usage(view), now)) }
                    }
                }
            } @else {
                div.scroll role="group" aria-label="Services" tabindex="0" {
                    table.services {
                        thead {
                            tr {
                                th scope="col" { "Service" } th scope="col" { "State" } th scope="col" { "Image" }
                                th scope="col" { "Replicas" } th scope="col" { "Uses" } th scope="col" { "Address" }
                                th scope="col" { "Last deploy" }
                            }
                        }
                        tbody {
                            @for view in items {
                                (crate::live::live_row(&entry::id(view), &entry::cells(view, control, usage(view), now)))
                            }
                        }
                    }
                }
            }
        }
    }

    /// What is looked for, and how it is shown.
    fn tools(&self, visitor: &Visitor) -> Markup {
        let path = self.path();
        let (other, words) = if self.cards { (TABLE, "As a table") } else { (CARDS, "As cards") };
        html! {
            div.tools {
                form.line role="search" method="get" action=(path) {
                    label.sr for="find" { "Find a service by its name" }
                    input #find type="search" name="find" value=[self.find.as_deref()] maxlength=(FIND)
                        placeholder="Find a service" data-key="/" autocomplete="off" spellcheck="false";
                    button type="submit" { "Find" }
                }
                (form(visitor, &path, "one", html! { button type="submit" name="as" value=(other) { (words) } }))
            }
        }
    }

    fn new_service(&self) -> String {
        format!("/new?project={}&environment={}", self.project.project.name, self.environment.name)
    }

    fn tabs(&self) -> Markup {
        let view = &self.project;
        let others = view.environments.len().saturating_sub(TABS);
        let named = view
            .environments
            .iter()
            .enumerate()
            .filter(|(at, it)| *at < TABS || it.id == self.environment.id);
        html! {
            nav.tabs aria-label="Environments" {
                ul {
                    @for (_, environment) in named {
                        li {
                            a href=(link::environment(view.project.name.as_str(), environment.name.as_str()))
                                aria-current=[(environment.id == self.environment.id).then_some("page")] {
                                (environment.name)
                            }
                        }
                    }
                }
                @if others > 0 { p.quiet { (others) " more, which `mirage services` lists" } }
            }
        }
    }

    fn empty(&self) -> Markup {
        let (project, environment) = (&self.project.project.name, &self.environment.name);
        let command = format!("mirage deploy nginx:1.27 --project {project} --environment {environment}");
        html! {
            div.empty {
                @match &self.find {
                    Some(find) => {
                        p { strong { "No service in " (environment) " has " q { (find) } " in its name." } }
                        p { a href=(self.path()) { "Show all of them" } }
                    },
                    None => {
                        p { strong { "No services in " (environment) "." } }
                        p {
                            "Nothing was deployed here, or it was removed. "
                            a href=(self.new_service()) { "Deploy an image" } ", or in a terminal: " code { (command) }
                        }
                    },
                }
            }
        }
    }
}

fn place(text: &str) -> Option<(Name, ServiceId)> {
    let (name, id) = text.split_once(':')?;
    Some((name.parse().ok()?, id.parse().ok()?))
}
