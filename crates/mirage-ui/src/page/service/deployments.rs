//! `/projects/{project}/{environment}/{service}/deployments`: what was deployed, newest first.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{Html, Response};
use jiff::Timestamp;
use maud::{Markup, html};
use mirage_control::{Control, DeploymentView, ServiceRef, ServiceStatus, ServiceView};
use mirage_core::{DeploymentId, Result};

use super::{HEAD, Tab, follow_service, head, named, service_frame};
use crate::badge;
use crate::fault::Fault;
use crate::link;
use crate::live::{Pieces, live};
use crate::page::{Asked, At, after};
use crate::prose::beginning;
use crate::shell::more;
use crate::visitor::Visitor;
use crate::when::{cut, exact, short_digest, took};

/// Deployments on a page.
const MOST: u32 = 30;
/// The longest reason and reference that are shown, in characters.
const WHY: usize = 120;
const REFERENCE: usize = 60;

/// `GET /projects/{project}/{environment}/{service}/deployments`
pub(super) async fn list(
    State(control): State<Control>,
    visitor: Visitor,
    At(place): At<(String, String, String)>,
    asked: Asked,
) -> Result<Html<String>, Fault> {
    let after: Option<DeploymentId> = after(asked, |text| text.parse().ok())?;
    let view = named(&control, &visitor, place).await?;
    let by_id = ServiceRef::Id(view.service.id);
    let listing = control.deployments(visitor.actor(), &by_id, after, MOST).await?;
    let (now, path) = (control.now(), Tab::Deployments.path(&view));
    let body = html! {
        section aria-labelledby="deployments" {
            h2 #deployments { "Deployments" }
            (live("service-deployments", &table(&listing.items, now)))
            @if let Some(last) = listing.items.last().filter(|_| listing.more) {
                (more(&format!("{path}?after={}", last.deployment.id), "Older deployments"))
            }
        }
    };
    let twin = [format!("mirage deployments {}", link::spoken(&view))];
    let stream = after.is_none().then(|| format!("/live{path}"));
    Ok(service_frame(&view, &visitor, Tab::Deployments, now, (stream.as_deref(), &twin), &body))
}

/// `GET /live/projects/{project}/{environment}/{service}/deployments`: of the newest ones
pub(super) async fn stream(
    State(control): State<Control>,
    visitor: Visitor,
    At(place): At<(String, String, String)>,
) -> Result<Response, Fault> {
    follow_service(control, visitor, place, pieces).await
}

async fn pieces(control: Control, visitor: Arc<Visitor>, view: ServiceView) -> Result<Pieces> {
    let by_id = ServiceRef::Id(view.service.id);
    let listing = control.deployments(visitor.actor(), &by_id, None, MOST).await?;
    let now = control.now();
    Ok(Pieces {
        pieces: vec![
            (HEAD.to_owned(), head(&view, now)),
            ("service-deployments".to_owned(), table(&listing.items, now)),
        ],
        around: None,
        moving: view.status == ServiceStatus::Deploying,
    })
}

/// A row for each.
pub(super) fn table(items: &[DeploymentView], now: Timestamp) -> Markup {
    html! {
        @if items.is_empty() { p.quiet { "Nothing was deployed yet." } } @else {
            div.scroll role="group" aria-label="Deployments" tabindex="0" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Revision" } th scope="col" { "State" } th scope="col" { "Why" }
                            th scope="col" { "Image" } th scope="col" { "Took" } th scope="col" { "Asked for" }
                        }
                    }
                    tbody { @for deployment in items { (row(deployment, now)) } }
                }
            }
        }
    }
}

fn row(view: &DeploymentView, now: Timestamp) -> Markup {
    let deployment = &view.deployment;
    let image = &view.revision.image;
    html! {
        tr {
            th scope="row" { a href=(link::deployment(deployment.id)) { "#" (deployment.revision) } }
            td {
                (badge::of_deployment(deployment).badge(now))
                @if let Some(failure) = &deployment.failure { " " span.quiet { (beginning(&failure.message, WHY)) } }
            }
            td { (deployment.trigger) @if !deployment.requested_by.is_empty() { span.quiet { " by " (deployment.requested_by) } } }
            td {
                span.mono { (cut(&image.reference.familiar(), REFERENCE)) } " " span.quiet { (short_digest(&image.digest)) }
            }
            td.number { @if let Some(end) = deployment.finished_at { (took(deployment.created_at, end)) } }
            td { (exact(deployment.created_at)) }
        }
    }
}
