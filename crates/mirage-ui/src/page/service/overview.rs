//! `/projects/{project}/{environment}/{service}`: one service.

use axum::extract::State;
use axum::response::Html;
use jiff::Timestamp;
use maud::{Markup, html};
use mirage_control::{Control, DeploymentView, InstanceView, Listing, ServiceRef, ServiceView};
use mirage_core::{InstanceState, Revision, Source, Verdict, human_bytes};

use super::{Tab, named, service_frame};
use crate::badge;
use crate::fault::Fault;
use crate::link;
use crate::page::services::image;
use crate::page::{Asked, At, after};
use crate::shell::more;
use crate::visitor::Visitor;
use crate::when::{ago, cut, exact, short_digest, took};

/// Deployments on a page.
const MOST: u32 = 20;
/// Instances, domains and volumes that are shown; a service may have more.
const SHOWN: usize = 50;
/// The longest reference that is shown, in characters.
const REFERENCE: usize = 300;

/// `GET /projects/{project}/{environment}/{service}`
pub(crate) async fn one(
    State(control): State<Control>,
    visitor: Visitor,
    At(place): At<(String, String, String)>,
    asked: Asked,
) -> Result<Html<String>, Fault> {
    let after = after(asked, |text| text.parse().ok())?;
    let view = named(&control, &visitor, place).await?;
    let deployments =
        control.deployments(visitor.actor(), &ServiceRef::Id(view.service.id), after, MOST).await?;
    let now = control.now();
    let body = html! {
        section aria-labelledby="properties" {
            h2 #properties { "Properties" }
            (properties(&view, now))
        }
        section aria-labelledby="instances" {
            h2 #instances { "Instances" }
            (instances(&view, now))
        }
        section aria-labelledby="deployments" {
            h2 #deployments { "Deployments" }
            (history(&view, &deployments, now))
        }
    };
    let spoken = link::spoken(&view);
    let twin = [format!("mirage status {spoken}"), format!("mirage deployments {spoken}")];
    Ok(service_frame(&view, &visitor, Tab::Overview, now, (None, &twin), &body))
}

fn properties(view: &ServiceView, now: Timestamp) -> Markup {
    let Source::Image(reference) = &view.service.spec.source;
    let spec = &view.service.spec;
    html! {
        dl.properties {
            dt { "Address" }
            dd { @match &view.url {
                Some(url) => a.mono href=(url) rel="noreferrer" { (url) },
                None => "none: it is a worker",
            } }
            @if !view.domains.is_empty() {
                dt { "Domains" }
                dd.mono { @for domain in view.domains.iter().take(SHOWN) { (domain) " " } }
            }
            dt { "Image" } dd { (image(view, REFERENCE)) }
            dt { "Registry" } dd.mono { (reference.host()) }
            @if let Some(credential) = &view.credential {
                dt { "Pulled as" } dd { (credential.username) }
            }
            @if let Some(revision) = &view.revision { (of_revision(revision)) }
            dt { "Replicas" } dd { (view.service.replicas) }
            dt { "Memory" }
            dd { @match spec.resources.memory_bytes { Some(bytes) => (human_bytes(bytes)), None => "no limit" } }
            dt { "Processors" }
            dd { @match spec.resources.cpu_millis { Some(millis) => { (millis) " thousandths" }, None => "no limit" } }
            @if !spec.volumes.is_empty() {
                dt { "Volumes" }
                dd.mono { @for mount in spec.volumes.iter().take(SHOWN) { (mount.volume) ":" (mount.path) " " } }
            }
            dt { "Deploys on push" }
            dd { @match (spec.auto_deploy, view.service.auto_deploy_paused) {
                (false, _) => "no",
                (true, false) => "yes",
                (true, true) => "paused since it was rolled back",
            } }
            dt { "Created" } dd { (ago(view.service.created_at, now)) }
            dt { "Identity" } dd.mono { (view.service.id) }
        }
    }
}

fn of_revision(revision: &Revision) -> Markup {
    let ports: Vec<String> = revision.ports().iter().map(ToString::to_string).collect();
    html! {
        dt { "Revision" } dd { (revision.number) }
        dt { "Digest" } dd.mono { (revision.image.digest) }
        dt { "Size" } dd { (human_bytes(revision.image.size_bytes)) }
        dt { "Platform" } dd { (revision.image.platform) }
        dt { "Ports" } dd { @if ports.is_empty() { "none" } @else { (ports.join(", ")) } }
        dt { "Health" } dd { (revision.check()) }
    }
}

fn instances(view: &ServiceView, now: Timestamp) -> Markup {
    let rest = view.instances.len().saturating_sub(SHOWN);
    html! {
        @if view.instances.is_empty() {
            p.quiet { @if view.service.replicas == 0 { "None is wanted." } @else { "None runs." } }
        } @else {
            div.scroll role="region" aria-label="Instances" tabindex="0" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Place" } th scope="col" { "State" } th scope="col" { "Address" }
                            th scope="col" { "Process" } th scope="col" { "Identity" }
                        }
                    }
                    tbody { @for instance in view.instances.iter().take(SHOWN) { (instance_row(instance, now)) } }
                }
            }
            @if rest > 0 { p.quiet { (rest) " more" } }
        }
    }
}

fn instance_row(view: &InstanceView, now: Timestamp) -> Markup {
    let why = match (&view.state, &view.verdict) {
        (InstanceState::Exited(exit), _) => Some(exit.to_string()),
        (_, Verdict::Unhealthy(failure)) => Some(failure.to_string()),
        _ => None,
    };
    html! {
        tr {
            td.number { (view.instance.ordinal) }
            td {
                (badge::of_instance(view).badge(now))
                @if let Some(why) = why { " " (cut(&why, REFERENCE)) }
            }
            td.mono { @if let Some(address) = view.address { (address) } }
            td.number { @if let Some(pid) = view.pid { (pid) } }
            td.mono { (view.instance.id) }
        }
    }
}

fn history(view: &ServiceView, listing: &Listing<DeploymentView>, now: Timestamp) -> Markup {
    html! {
        @if listing.items.is_empty() { p.quiet { "Nothing was deployed yet." } } @else {
            div.scroll role="region" aria-label="Deployments" tabindex="0" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Revision" } th scope="col" { "State" } th scope="col" { "Why" }
                            th scope="col" { "Digest" } th scope="col" { "Took" } th scope="col" { "Asked for" }
                        }
                    }
                    tbody { @for deployment in &listing.items { (deployment_row(deployment, now)) } }
                }
            }
        }
        @if let Some(last) = listing.items.last().filter(|_| listing.more) {
            (more(&format!("{}?after={}", link::service(view), last.deployment.id), "Older deployments"))
        }
    }
}

fn deployment_row(view: &DeploymentView, now: Timestamp) -> Markup {
    let deployment = &view.deployment;
    html! {
        tr {
            th scope="row" { a href=(link::deployment(deployment.id)) { "#" (deployment.revision) } }
            td {
                (badge::of_deployment(deployment).badge(now))
                @if let Some(failure) = &deployment.failure { " " span.quiet { (cut(&failure.message, 120)) } }
            }
            td { (deployment.trigger) }
            td { (short_digest(&view.revision.image.digest)) }
            td.number { @if let Some(end) = deployment.finished_at { (took(deployment.created_at, end)) } }
            td { (exact(deployment.created_at)) }
        }
    }
}
