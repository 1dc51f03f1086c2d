//! `/events`: who did what, and what happened.

use std::collections::HashMap;

use axum::extract::{Query, State};
use axum::response::Html;
use maud::{Markup, html};
use mirage_control::{Control, EventSearch, ServicePath};
use mirage_core::{Event, EventKind, ServiceId, SettingChange};

use super::Asked;
use crate::fault::{Fault, unreadable};
use crate::link;
use crate::shell::{Page, more};
use crate::visitor::Visitor;
use crate::when::{cut, exact};

/// Events on a page.
const MOST: u32 = 50;
/// The longest text of an event, in characters.
const TEXT: usize = 300;

/// `GET /events`
pub(crate) async fn list(
    State(control): State<Control>,
    visitor: Visitor,
    asked: Asked,
) -> Result<Html<String>, Fault> {
    let Query(part) = asked.map_err(|_| unreadable("what follows `?` in the address"))?;
    let before =
        part.before.map(|text| text.parse::<i64>().map_err(|_| unreadable("`before`"))).transpose()?;
    let search = EventSearch::default();
    let listing = control.events_before(visitor.actor(), &search, before.unwrap_or(i64::MAX), MOST).await?;
    let places = control.service_paths(visitor.actor()).await?;
    let body = html! {
        h1 { "Events" }
        @if listing.items.is_empty() {
            div.empty {
                p { strong { "Nothing happened yet." } }
                p { "What is done and what happens is listed here. Deploy an image: "
                    code { "mirage deploy nginx:1.27" } }
            }
        } @else {
            div.scroll role="region" aria-label="Events" tabindex="0" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Time" } th scope="col" { "Who" } th scope="col" { "Service" }
                            th scope="col" { "What" }
                        }
                    }
                    tbody { @for event in listing.items.iter().rev() { (row(event, &places)) } }
                }
            }
        }
        @if let Some(oldest) = listing.items.first().filter(|_| listing.more) {
            (more(&format!("/events?before={}", oldest.number), "Older events"))
        }
    };
    let twin = ["mirage events".to_owned()];
    Ok(Page { title: "Events", visitor: Some(&visitor), crumbs: &[], twin: &twin, body }.into_html())
}

fn row(event: &Event, places: &HashMap<ServiceId, ServicePath>) -> Markup {
    let place = event.service.and_then(|id| places.get(&id));
    html! {
        tr {
            td { (exact(event.time)) }
            td { (cut(&event.actor, TEXT)) }
            td { @match (place, event.service) {
                (Some(path), _) => a href=(link::at(path)) { (path.name) },
                (None, Some(id)) => span.quiet.mono title=(id) { "removed" },
                (None, None) => "",
            } }
            td {
                (cut(&told(&event.kind), TEXT))
                // A deployment is there as long as its service.
                @if let (Some(_), Some(id)) = (place, event.deployment) {
                    " " a.quiet href=(link::deployment(id)) { "deployment" }
                }
            }
        }
    }
}

/// An event in half a sentence.
fn told(kind: &EventKind) -> String {
    match kind {
        EventKind::ServiceCreated => "created the service".into(),
        EventKind::ServiceChanged { fields, .. } => format!("changed {}", fields.join(", ")),
        EventKind::DeploymentRequested { reason, revision, image, .. } => {
            format!("{reason} of revision {revision}, {image}")
        }
        EventKind::CancelRequested => "cancelled the deployment".into(),
        EventKind::ServiceScaled { from, to } => format!("scaled from {from} to {to}"),
        EventKind::ServiceRestarted => "restarted the service".into(),
        EventKind::ServiceRemoved => "removed the service".into(),
        EventKind::CredentialSet { registry, username } => format!("set the login {username} for {registry}"),
        EventKind::CredentialRemoved { registry, username } => {
            format!("removed the login {username} for {registry}")
        }
        EventKind::DomainAdded { domain } => format!("added the domain {domain}"),
        EventKind::DomainChanged { domain, changes } => format!("changed {} of {domain}", fields(changes)),
        EventKind::DomainRemoved { domain } => format!("removed the domain {domain}"),
        EventKind::CertificateInstalled { domain, .. } => format!("{domain} has a new certificate"),
        EventKind::CertificateFailed { domain, reason } => format!("no certificate for {domain}: {reason}"),
        EventKind::SharedVariablesChanged { names } => {
            format!("changed shared variables {}", names.join(", "))
        }
        EventKind::VaultReset { .. } => "gave up everything that was sealed".into(),
        EventKind::VaultRotated { records } => format!("sealed {records} records with a new key"),
        EventKind::PushNotDeployed { image, reason } => {
            format!("a push of {image} was not deployed: {reason}")
        }
        EventKind::AutoDeployPaused { .. } => "pushes set off nothing until the next deploy".into(),
        EventKind::AutoDeployResumed => "pushes set off deploys again".into(),
        EventKind::TokenCreated { project, name } => format!("created the token {project}/{name}"),
        EventKind::TokenRemoved { project, name } => format!("removed the token {project}/{name}"),
        EventKind::VolumeCreated { volume } => format!("created the volume {volume}"),
        EventKind::VolumeAdopted { volume } => format!("took over the volume {volume}"),
        EventKind::VolumeRemoved { volume } => format!("removed the volume {volume}"),
        EventKind::VolumeRestored { volume } => format!("took back the volume {volume}"),
        EventKind::VolumeBackedUp { volume } => format!("backed up the volume {volume}"),
        EventKind::VolumeFilled { volume } => format!("replaced the data of the volume {volume}"),
        EventKind::VolumePurged { volume } => format!("the volume {volume} is deleted for good"),
        EventKind::BackedUp { .. } => "took a backup".into(),
        EventKind::PhaseChanged { phase } => format!("the deployment is {phase}"),
        EventKind::StepFinished { step, summary, .. } => format!("{}: {summary}", step.as_str()),
        EventKind::InstanceExited { reason, .. } => format!("an instance ended: {reason}"),
        EventKind::InstanceUnhealthy { reason, .. } => format!("an instance is unhealthy: {reason}"),
        EventKind::InstanceHealthy { .. } => "an instance is healthy again".into(),
    }
}

fn fields(changes: &[SettingChange]) -> String {
    changes.iter().map(|change| change.field.as_str()).collect::<Vec<_>>().join(", ")
}
