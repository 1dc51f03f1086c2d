//! `/projects/{project}/{environment}/{service}`: how a service is, and what can be done about it at once.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use maud::{Markup, html};
use mirage_control::{Control, ServiceRef, ServiceStatus, ServiceView};
use mirage_core::{Error, Result, Source};

use super::{
    HEAD, Tab, deployments, follow_service, head, instances, last, named, properties, service_frame,
};
use crate::badge;
use crate::fault::{Fault, explained};
use crate::field::Field;
use crate::form::{button, form, refused};
use crate::link;
use crate::live::{Pieces, live, told};
use crate::page::At;
use crate::page::deployment::changes;
use crate::page::services::has_failed;
use crate::visitor::Visitor;

/// Deployments that are shown here; all of them have a tab.
const RECENT: u32 = 5;

/// What was typed into the forms of the page, and what is wrong with it.
#[derive(Default)]
pub(super) struct Typed<'a> {
    pub(super) image: Option<&'a str>,
    pub(super) replicas: Option<&'a str>,
    pub(super) error: Option<&'a Error>,
}

/// `GET /projects/{project}/{environment}/{service}`
pub(super) async fn one(
    State(control): State<Control>,
    visitor: Visitor,
    At(place): At<(String, String, String)>,
) -> Result<Response, Fault> {
    let view = named(&control, &visitor, place).await?;
    page(&control, &visitor, &view, &Typed::default()).await
}

/// `GET /live/projects/{project}/{environment}/{service}`
pub(super) async fn stream(
    State(control): State<Control>,
    visitor: Visitor,
    At(place): At<(String, String, String)>,
) -> Result<Response, Fault> {
    let render =
        |control, visitor: Arc<Visitor>, view| async move { pieces(&control, &visitor, &view).await };
    follow_service(control, visitor, place, render).await
}

/// The page; with an error it says what could not be done, and keeps what was typed.
pub(super) async fn page(
    control: &Control,
    visitor: &Visitor,
    view: &ServiceView,
    typed: &Typed<'_>,
) -> Result<Response, Fault> {
    let now = control.now();
    let Pieces { pieces, .. } = pieces(control, visitor, view).await?;
    let at = |wanted: &str| {
        let found = pieces.iter().find(|(id, _)| id == wanted);
        found.map(|(id, markup)| live(id, markup)).unwrap_or_default()
    };
    let unplaced = typed.error.filter(|error| !matches!(error.at_field(), Some("image" | "replicas")));
    let body = html! {
        @if let Some(error) = unplaced { (explained(error)) }
        (at("service-failed"))
        (at("service-actions"))
        (forms(visitor, view, typed))
        (at("service-moved"))
        (at("service-waiting"))
        (at("service-properties"))
        (at("service-instances"))
        (at("service-recent"))
        (told("service-told", &said(view)))
    };
    let spoken = link::spoken(view);
    let twin = [format!("mirage status {spoken}"), format!("mirage deployments {spoken}")];
    let stream = format!("/live{}", link::service(view));
    let page = service_frame(view, visitor, Tab::Overview, now, (Some(&stream), &twin), &body);
    let status = if typed.error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok((status, page).into_response())
}

async fn pieces(control: &Control, visitor: &Visitor, view: &ServiceView) -> Result<Pieces> {
    let now = control.now();
    let by_id = ServiceRef::Id(view.service.id);
    let recent = control.deployments(visitor.actor(), &by_id, None, RECENT).await?;
    let target = control.rollback_target(visitor.actor(), &by_id, None).await;
    let moved = control.moved_tag(visitor.actor(), view).await?;
    let recent = html! {
        section aria-labelledby="deployments" {
            h2 #deployments { "Deployments" }
            (deployments::table(&recent.items, now))
            @if recent.more { p.more { a href=(Tab::Deployments.path(view)) { "All deployments" } } }
        }
    };
    let piece = |id: &str, markup: Markup| (id.to_owned(), markup);
    Ok(Pieces {
        pieces: vec![
            piece(HEAD, head(view, now)),
            piece("service-failed", last::failed(visitor, view, now)),
            piece("service-actions", actions(visitor, view, &target)),
            piece("service-moved", last::moved(moved.as_ref())),
            piece("service-waiting", waiting(view)?),
            piece("service-properties", properties::section(control, view, now)),
            piece("service-instances", instances::section(view, now)),
            piece("service-recent", recent),
            piece("service-told", html! { (said(view)) }),
        ],
        around: None,
        moving: view.status == ServiceStatus::Deploying,
    })
}

/// How it is, for whoever hears the page.
fn said(view: &ServiceView) -> String {
    let failed =
        if view.active.is_some() && has_failed(view) { ", and its last deployment has failed" } else { "" };
    format!("{} {}{failed}", view.service.name, badge::in_words(view.status))
}

fn actions(visitor: &Visitor, view: &ServiceView, target: &Result<u32>) -> Markup {
    let path = link::service(view);
    html! {
        div.actions {
            (button(visitor, &format!("{path}/redeploy"), "Redeploy"))
            @match view.active {
                Some(_) => (button(visitor, &format!("{path}/restart"), "Restart")),
                None => (refused("no-restart", "Restart", "nothing of it runs")),
            }
            @match target {
                Ok(revision) => (form(visitor, &format!("{path}/rollback"), "one", html! {
                    button type="submit" name="revision" value=(revision) { "Roll back to #" (revision) }
                })),
                Err(error) => (refused("no-rollback", "Roll back", error.next_step().unwrap_or(error.message()))),
            }
        }
    }
}

fn forms(visitor: &Visitor, view: &ServiceView, typed: &Typed<'_>) -> Markup {
    let Source::Image(asked) = &view.service.spec.source;
    let (image, replicas) = (asked.familiar(), view.service.replicas.to_string());
    let image = Field {
        name: "image",
        label: "Image",
        value: typed.image.unwrap_or(&image),
        example: "ghcr.io/acme/web:1.4",
        help: "Its tag is looked up now, and what it means is deployed as a new revision.",
        required: true,
        key: Some("d"),
        error: typed.error,
        ..Field::default()
    };
    let replicas = Field {
        name: "replicas",
        label: "Instances",
        value: typed.replicas.unwrap_or(&replicas),
        help: "Takes effect at once; 0 stops it.",
        required: true,
        error: typed.error,
        ..Field::default()
    };
    let path = link::service(view);
    let deploy = html! { (image.text()) button.primary type="submit" { "Deploy" } };
    let scale = html! { (replicas.number(0)) button type="submit" { "Scale" } };
    html! {
        div.forms #deploy {
            (form(visitor, &format!("{path}/deploy"), "line grow", deploy))
            (form(visitor, &format!("{path}/scale"), "line", scale))
        }
    }
}

/// What was changed and waits for a deployment.
pub(super) fn waiting(view: &ServiceView) -> Result<Markup> {
    let differences = view.waiting()?;
    Ok(html! {
        @if !differences.is_empty() {
            section.notice.warn aria-labelledby="waiting" {
                h2 #waiting { "Waits for the next deploy" }
                p { "This is set and does not run yet. The next deploy applies it." }
                div.scroll role="group" aria-label="Changes" tabindex="0" {
                    table.compared {
                        thead { tr { th scope="col" { "Setting" } th scope="col" { "Runs" } th scope="col" { "Asked for" } } }
                        tbody { (changes(&differences)) }
                    }
                }
            }
        }
    })
}
