//! `/projects/{project}/{environment}`: the services of an environment.

use axum::extract::State;
use axum::response::{Html, Redirect};
use maud::{Markup, html};
use mirage_control::{Control, Page as Part, ProjectView, ServiceFilter, ServiceView};
use mirage_core::{Code, Environment, Error, Name, Revision, ServiceId, Source};

use super::{Asked, At, after};
use crate::badge;
use crate::fault::Fault;
use crate::link;
use crate::shell::{Page, more};
use crate::visitor::Visitor;
use crate::when::{ago, cut, short_digest};

/// Services on a page.
const MOST: u32 = 32;
/// Environments that have a tab, beside the one that is shown.
const TABS: usize = 30;
/// The longest reference and address that a table shows, in characters.
const REFERENCE: usize = 60;

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
pub(crate) async fn of_environment(
    State(control): State<Control>,
    visitor: Visitor,
    At((project, environment)): At<(String, String)>,
    asked: Asked,
) -> Result<Html<String>, Fault> {
    let view = control.project_named(visitor.actor(), &project.parse::<Name>()?).await?;
    let known = view.environments.iter().find(|it| it.name.as_str() == environment);
    let shown = known.ok_or_else(|| {
        Error::new(Code::NotFound, format!("`{project}` has no environment `{environment}`"))
            .hint("`mirage services` lists what there is, with its environment")
    })?;
    let filter = ServiceFilter { environment: Some(shown.id), ..ServiceFilter::default() };
    let after = after(asked, place)?;
    let part = Part { after: after.clone(), limit: MOST };
    let listing = control.services(visitor.actor(), &filter, &part).await?;
    let path = link::environment(view.project.name.as_str(), shown.name.as_str());
    let now = control.now();
    let body = html! {
        h1 { (view.project.name) " " span.quiet { (shown.name) } }
        (tabs(&view, shown))
        @if listing.items.is_empty() && after.is_none() { (empty(&view, shown)) } @else {
            div.scroll role="region" aria-label="Services" tabindex="0" {
                table.services {
                    thead {
                        tr {
                            th scope="col" { "Service" } th scope="col" { "State" } th scope="col" { "Image" }
                            th scope="col" { "Replicas" } th scope="col" { "Address" }
                            th scope="col" { "Last deploy" }
                        }
                    }
                    tbody { @for service in &listing.items { (row(service, now)) } }
                }
            }
        }
        @if let Some(last) = listing.items.last().filter(|_| listing.more) {
            (more(&format!("{path}?after={}:{}", last.service.name, last.service.id), "More services"))
        }
    };
    let title = format!("{project} {environment}");
    let crumbs = [("Projects", "/projects".to_owned())];
    let twin = ["mirage services".to_owned()];
    Ok(Page { title: &title, visitor: Some(&visitor), crumbs: &crumbs, twin: &twin, body }.into_html())
}

/// The image that a service was asked to have, as people write it, and what it turned out to be.
pub(crate) fn image(view: &ServiceView, most: usize) -> Markup {
    let Source::Image(reference) = &view.service.spec.source;
    let familiar = reference.familiar();
    html! {
        span.mono title=(familiar) { (cut(&familiar, most)) }
        @if let Some(Revision { image, .. }) = &view.revision { " " span.quiet { (short_digest(&image.digest)) } }
    }
}

fn row(view: &ServiceView, now: jiff::Timestamp) -> Markup {
    html! {
        tr {
            th scope="row" { a href=(link::service(view)) { (view.service.name) } }
            td { (badge::of_service(view).badge(now)) }
            td { (image(view, REFERENCE)) }
            td.number { (view.instances.len()) span.quiet { "/" (view.service.replicas) } }
            td { @match &view.url {
                Some(url) => a.mono href=(url) rel="noreferrer" { (cut(url.trim_start_matches("http://"), REFERENCE)) },
                None => span.quiet { "none, it is a worker" },
            } }
            td { @match &view.newest {
                Some(newest) => {
                    a href=(link::deployment(newest.id)) { (newest.trigger) " " (newest.phase) }
                    " " span.quiet { (ago(newest.created_at, now)) }
                },
                None => span.quiet { "never" },
            } }
        }
    }
}

fn tabs(view: &ProjectView, shown: &Environment) -> Markup {
    let others = view.environments.len().saturating_sub(TABS);
    let named = view.environments.iter().enumerate().filter(|(at, it)| *at < TABS || it.id == shown.id);
    html! {
        nav.tabs aria-label="Environments" {
            ul {
                @for (_, environment) in named {
                    li {
                        a href=(link::environment(view.project.name.as_str(), environment.name.as_str()))
                            aria-current=[(environment.id == shown.id).then_some("page")] { (environment.name) }
                    }
                }
            }
            @if others > 0 { p.quiet { (others) " more, which `mirage services` lists" } }
        }
    }
}

fn empty(view: &ProjectView, shown: &Environment) -> Markup {
    let command =
        format!("mirage deploy nginx:1.27 --project {} --environment {}", view.project.name, shown.name);
    html! {
        div.empty {
            p { strong { "No services in " (shown.name) "." } }
            p { "Nothing was deployed here, or it was removed. Deploy an image: " code { (command) } }
        }
    }
}

fn place(text: &str) -> Option<(Name, ServiceId)> {
    let (name, id) = text.split_once(':')?;
    Some((name.parse().ok()?, id.parse().ok()?))
}
