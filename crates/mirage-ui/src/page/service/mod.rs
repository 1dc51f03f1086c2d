//! `/projects/{project}/{environment}/{service}` and what is below it: one service, a tab a page.

mod act;
pub(crate) mod advice;
mod deployments;
mod domains;
mod instances;
mod last;
mod overview;
mod properties;
mod save;
mod settings;
mod variables;
mod volumes;

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::response::{Html, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use maud::{Markup, html};
use mirage_control::{Control, EventSearch, ServiceRef, ServiceView};
use mirage_core::{Error, Result};

use crate::badge;
use crate::fault::Fault;
use crate::link;
use crate::live::{Pieces, follow, followed, live};
use crate::shell::Page;
use crate::visitor::Visitor;

/// The id of the piece that [`head`] makes.
pub(crate) const HEAD: &str = "service-head";

/// The pages of the service tabs, and what is posted below them.
pub(crate) fn routes() -> Router<Control> {
    let at = |part: &str| format!("/projects/{{project}}/{{environment}}/{{service}}{part}");
    let live = |part: &str| format!("/live{}", at(part));
    Router::new()
        .route(&at(""), get(overview::one))
        .route(&live(""), get(overview::stream))
        .route(&at("/deploy"), post(act::deploy))
        .route(&at("/redeploy"), post(act::redeploy))
        .route(&at("/rollback"), post(act::rollback))
        .route(&at("/keep"), post(act::keep))
        .route(&at("/restart"), post(act::restart))
        .route(&at("/scale"), post(act::scale))
        .route(&at("/deployments"), get(deployments::list))
        .route(&live("/deployments"), get(deployments::stream))
        .route(&at("/variables"), get(variables::show).post(variables::change))
        .route(&at("/volumes"), get(volumes::list).post(volumes::change))
        .route(&at("/volumes/{volume}/backup"), post(volumes::backup))
        .route(&at("/volumes/{volume}/remove"), post(volumes::remove))
        .route(&at("/volumes/{volume}/restore"), post(volumes::restore))
        .route(&at("/domains"), get(domains::list).post(domains::add))
        .route(&at("/domains/{domain}"), get(domains::show).post(domains::change))
        .route(&at("/domains/{domain}/certificate"), post(domains::certificate))
        .route(&at("/domains/{domain}/renew"), post(domains::renew))
        .route(&at("/domains/{domain}/remove"), post(domains::remove))
        .route(&at("/settings"), get(settings::show).post(settings::change))
        .route(&at("/remove"), get(settings::ask_to_remove).post(settings::remove))
}

/// The pages of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tab {
    /// How it is.
    Overview,
    /// What was deployed.
    Deployments,
    /// What it wrote.
    Logs,
    /// What it did and used.
    Metrics,
    /// Its variables.
    Variables,
    /// Its data.
    Volumes,
    /// Its names.
    Domains,
    /// Everything else.
    Settings,
}

impl Tab {
    const ALL: [Self; 8] = [
        Self::Overview,
        Self::Deployments,
        Self::Logs,
        Self::Metrics,
        Self::Variables,
        Self::Volumes,
        Self::Domains,
        Self::Settings,
    ];

    /// Its last part of the address; empty for the first.
    fn part(self) -> &'static str {
        match self {
            Self::Overview => "",
            Self::Deployments => "/deployments",
            Self::Logs => "/logs",
            Self::Metrics => "/metrics",
            Self::Variables => "/variables",
            Self::Volumes => "/volumes",
            Self::Domains => "/domains",
            Self::Settings => "/settings",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Deployments => "Deployments",
            Self::Logs => "Logs",
            Self::Metrics => "Metrics",
            Self::Variables => "Variables",
            Self::Volumes => "Volumes",
            Self::Domains => "Domains",
            Self::Settings => "Settings",
        }
    }

    /// The key that leads there.
    fn key(self) -> Option<&'static str> {
        match self {
            Self::Logs => Some("l"),
            // Each has its page, with the button that rolls back to it.
            Self::Deployments => Some("r"),
            _ => None,
        }
    }

    /// Where it is.
    pub(crate) fn path(self, view: &ServiceView) -> String {
        format!("{}{}", link::service(view), self.part())
    }
}

/// Project, environment and service, as an address names them.
pub(crate) type Named = (String, String, String);

/// The service that an address names by project, environment and name.
pub(crate) async fn named(
    control: &Control,
    visitor: &Visitor,
    (project, environment, name): Named,
) -> Result<ServiceView> {
    let wanted = ServiceRef::Path {
        project: project.parse()?,
        environment: environment.parse()?,
        name: name.parse()?,
    };
    control.service(visitor.actor(), &wanted).await
}

/// A page of a service: its name and state, its tabs, and below them `body`, whose headings begin at `h2`. `twin` are the
/// commands that say or do the same. With a `stream` the page is followed there; a stream may carry the piece [`HEAD`]
/// too.
pub(crate) fn service_frame(
    view: &ServiceView,
    visitor: &Visitor,
    tab: Tab,
    now: Timestamp,
    (stream, twin): (Option<&str>, &[String]),
    body: &Markup,
) -> Html<String> {
    let name = view.service.name.as_str();
    let inside = html! {
        (live(HEAD, &head(view, now)))
        (tabs(view, tab))
        (body)
    };
    let body = match stream {
        Some(path) => followed(path, inside),
        None => inside,
    };
    let (project, environment) = (view.project.name.as_str(), view.environment.name.as_str());
    let mut crumbs = vec![
        ("Projects", "/projects".to_owned()),
        (project, format!("/projects/{project}")),
        (environment, link::environment(project, environment)),
    ];
    let title = match tab {
        Tab::Overview => name.to_owned(),
        _ => {
            crumbs.push((name, link::service(view)));
            format!("{} of {name}", tab.words())
        }
    };
    Page { title: &title, visitor: Some(visitor), crumbs: &crumbs, twin, body }.into_html()
}

/// What stands at the top of every page of a service.
pub(crate) fn head(view: &ServiceView, now: Timestamp) -> Markup {
    let state = badge::of_service(view);
    html! {
        div class=(format!("banner {}", badge::class(state.meaning))) {
            h1 { (view.service.name) }
            (state.badge(now))
            @if let Some(url) = &view.url {
                " " a.mono href=(url) { (url.trim_start_matches("http://")) }
            }
        }
    }
}

/// The stream of a page of a service: `render` makes its pieces of how the service is then.
async fn follow_service<F, R>(
    control: Control,
    visitor: Visitor,
    place: Named,
    render: R,
) -> Result<Response, Fault>
where
    R: Fn(Control, Arc<Visitor>, ServiceView) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Pieces>> + Send,
{
    let service = ServiceRef::Id(named(&control, &visitor, place).await?.service.id);
    let search = EventSearch { service: Some(service.clone()), ..EventSearch::default() };
    let (looking, visitor) = (control.clone(), Arc::new(visitor));
    let who = Arc::clone(&visitor);
    let render = move || {
        let (control, visitor, service) = (looking.clone(), Arc::clone(&who), service.clone());
        let render = render.clone();
        async move {
            let view = control.service(visitor.actor(), &service).await?;
            render(control, visitor, view).await
        }
    };
    follow(&control, &visitor, &search, render).await
}

/// An error at this field, unless it is about one already.
fn at_field(error: Error, field: &str) -> Error {
    match error.at_field() {
        Some(_) => error,
        None => error.field(field),
    }
}

fn tabs(view: &ServiceView, shown: Tab) -> Markup {
    html! {
        nav.tabs aria-label="Service" {
            ul {
                @for tab in Tab::ALL {
                    li {
                        a href=(tab.path(view)) aria-current=[(tab == shown).then_some("page")] data-key=[tab.key()] {
                            (tab.words())
                        }
                    }
                }
                // On the overview the field itself has the key.
                @if shown != Tab::Overview {
                    li { a href=(format!("{}#image", link::service(view))) data-key="d" { "Deploy" } }
                }
            }
        }
    }
}
