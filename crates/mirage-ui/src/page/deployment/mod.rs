//! `/deployments/{id}`: one attempt to make a revision live, while it is under way and afterwards.

mod act;
mod compare;
mod part;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use maud::{Markup, html};
use mirage_control::{Comparison, Control, DeploymentView, EventSearch, ServiceRef, ServiceView};
use mirage_core::{DeploymentId, Error, Result};
use serde::Deserialize;

use super::At;
use crate::fault::{Fault, explained, unreadable};
use crate::link;
use crate::live::{Pieces, follow, followed, live, told};
use crate::shell::Page;
use crate::visitor::Visitor;

pub(crate) use compare::rows as changes;

/// The pages of deployments, and what is posted below them.
pub(crate) fn routes() -> Router<Control> {
    Router::new()
        .route("/deployments/{deployment}", get(one))
        .route("/live/deployments/{deployment}", get(stream))
        .route("/deployments/{deployment}/redeploy", post(act::redeploy))
        .route("/deployments/{deployment}/rollback", post(act::rollback))
        .route("/deployments/{deployment}/cancel", post(act::cancel))
}

/// A deployment with what is shown beside it.
struct Shown {
    view: DeploymentView,
    of: ServiceView,
    /// Whether one can roll back to it, else why not.
    rollback: Result<u32>,
}

/// What it is to be compared with.
#[derive(Deserialize)]
pub(crate) struct With {
    with: Option<String>,
}

/// `GET /deployments/{deployment}`
async fn one(
    State(control): State<Control>,
    visitor: Visitor,
    At(id): At<String>,
    asked: Result<Query<With>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Fault> {
    let Query(With { with }) = asked.map_err(|_| unreadable("what follows `?` in the address"))?;
    let id = id.parse::<DeploymentId>()?;
    let compared = match with.as_deref().filter(|with| !with.is_empty()) {
        Some(with) => Some(control.compare(visitor.actor(), id, with.parse()?).await?),
        None => None,
    };
    page(&control, &visitor, id, compared.as_ref(), None).await
}

/// `GET /live/deployments/{deployment}`
async fn stream(
    State(control): State<Control>,
    visitor: Visitor,
    At(id): At<String>,
) -> Result<Response, Fault> {
    let id = id.parse::<DeploymentId>()?;
    let service = control.deployment(visitor.actor(), id).await?.deployment.service;
    let search = EventSearch { service: Some(ServiceRef::Id(service)), ..EventSearch::default() };
    let (asked, visitor) = (control.clone(), Arc::new(visitor));
    let looking = Arc::clone(&visitor);
    let render = move || {
        let (control, visitor) = (asked.clone(), Arc::clone(&looking));
        async move {
            let shown = Shown::of(&control, &visitor, id).await?;
            Ok(shown.pieces(&control, &visitor))
        }
    };
    follow(&control, &visitor, &search, render).await
}

/// The page; with an `error` it says what could not be done.
async fn page(
    control: &Control,
    visitor: &Visitor,
    id: DeploymentId,
    compared: Option<&Comparison>,
    error: Option<&Error>,
) -> Result<Response, Fault> {
    let shown = Shown::of(control, visitor, id).await?;
    let of = &shown.of;
    let others =
        control.deployments(visitor.actor(), &ServiceRef::Id(of.service.id), None, compare::MOST).await?;
    let path = link::deployment(id);
    let mut pieces = shown.pieces(control, visitor).pieces.into_iter();
    // In the order in which they are made.
    let mut next = || pieces.next().map(|(id, markup)| live(&id, &markup)).unwrap_or_default();
    let body = html! {
        (next())
        (next())
        @if shown.view.deployment.phase.is_moving() {
            noscript { p.quiet { "What changes is shown when the page is loaded anew. " a href=(path) { "Load anew" } } }
        }
        @if let Some(error) = error { (explained(error)) }
        (next())
        (next())
        (compare::section(&shown.view, &others.items, compared))
        (told("deployment-told", &part::told(&shown)))
    };
    let title = shown.title();
    let spoken = link::spoken(of);
    let mut twin = vec![format!("mirage deployments {spoken}")];
    if shown.view.deployment.phase.is_moving() {
        twin.push(format!("mirage cancel {spoken}"));
    } else if shown.rollback.is_ok() && !shown.runs() {
        twin.push(format!("mirage rollback {spoken} {}", shown.view.deployment.revision));
    }
    let (project, environment) = (of.project.name.as_str(), of.environment.name.as_str());
    let crumbs = [
        ("Projects", "/projects".to_owned()),
        (project, format!("/projects/{project}")),
        (environment, link::environment(project, environment)),
        (of.service.name.as_str(), link::service(of)),
    ];
    let body = followed(&format!("/live{path}"), body);
    let page = Page { title: &title, visitor: Some(visitor), crumbs: &crumbs, twin: &twin, body };
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok((status, page.into_html()).into_response())
}

impl Shown {
    async fn of(control: &Control, visitor: &Visitor, id: DeploymentId) -> Result<Self> {
        let view = control.deployment(visitor.actor(), id).await?;
        let by_id = ServiceRef::Id(view.deployment.service);
        let of = control.service(visitor.actor(), &by_id).await?;
        let rollback = control.rollback_target(visitor.actor(), &by_id, Some(view.deployment.revision)).await;
        Ok(Self { view, of, rollback })
    }

    fn title(&self) -> String {
        format!("{} #{}", self.of.service.name, self.view.deployment.revision)
    }

    /// Whether its revision is the one that serves.
    fn runs(&self) -> bool {
        self.of.active.as_ref().is_some_and(|active| active.revision == self.view.deployment.revision)
    }

    fn pieces(&self, control: &Control, visitor: &Visitor) -> Pieces {
        let now = control.now();
        let piece = |id: &str, markup: Markup| (id.to_owned(), markup);
        Pieces {
            pieces: vec![
                piece("deployment-head", part::head(self, now)),
                piece("deployment-actions", act::actions(self, visitor)),
                piece("deployment-steps", part::steps(self, now)),
                piece("deployment-properties", part::properties(self, now)),
                piece("deployment-told", html! { (part::told(self)) }),
            ],
            around: None,
            moving: self.view.deployment.phase.is_moving(),
        }
    }
}
