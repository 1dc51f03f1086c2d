//! What a service is made of.

use jiff::Timestamp;
use maud::{Markup, html};
use mirage_control::{Control, ServiceView};
use mirage_core::setting::label;
use mirage_core::{Revision, Source, bytes_text, decimal, human_bytes};

use super::Tab;
use crate::badge;
use crate::copy::copyable;
use crate::link;
use crate::page::services::{badge_of, image};
use crate::when::ago;

/// Domains and volumes that are shown; each have a tab.
const SHOWN: usize = 10;
/// The longest reference that is shown, in characters.
const REFERENCE: usize = 300;

/// The piece with all of it.
pub(super) fn section(control: &Control, view: &ServiceView, now: Timestamp) -> Markup {
    let spec = &view.service.spec;
    let Source::Image(asked) = &spec.source;
    let runs = view.revision.as_ref().filter(|_| view.active.is_some());
    let limits = &runs.map_or(spec, |revision| &revision.spec).resources;
    html! {
        section aria-labelledby="properties" {
            h2 #properties { "Properties" }
            dl.properties {
                dt { "Address" }
                dd { @match &view.url {
                    Some(url) => a.mono href=(url) { (url) },
                    None => "none: it is a worker",
                } }
                @if !view.domains.is_empty() {
                    dt { "Domains" }
                    dd {
                        @for domain in view.domains.iter().take(SHOWN) { a.mono href=(control.url_of_domain(domain)) { (domain) } " " }
                        @if view.domains.len() > SHOWN { a href=(Tab::Domains.path(view)) { "all of them" } }
                    }
                }
                dt { "Image" } dd { (badge_of(view, control)) " " (image(view, REFERENCE)) }
                dt { "Registry" } dd.mono { (runs.map_or(asked.host(), |revision| revision.image.reference.host())) }
                @if let Some(credential) = &view.credential {
                    dt { "Pulled as" } dd { (credential.username) }
                }
                @if let Some(active) = &view.active {
                    dt { "Deployment" }
                    dd {
                        a href=(link::deployment(active.id)) { "#" (active.revision) }
                        " " (active.trigger) " " span.quiet { (ago(active.created_at, now)) }
                    }
                }
                @if let Some(candidate) = &view.candidate {
                    dt { "On its way" }
                    dd {
                        a href=(link::deployment(candidate.id)) { "#" (candidate.revision) }
                        " " (badge::of_deployment(candidate).badge(now))
                    }
                }
                @if let Some(revision) = &view.revision { (of_revision(revision)) }
                dt { "Instances" } dd { (view.service.replicas) }
                dt { (label("resources.memory")) }
                dd { @match limits.memory_bytes { Some(bytes) => (bytes_text(bytes)), None => "no limit" } }
                dt { (label("resources.cpu")) }
                dd { @match limits.cpu_millis { Some(millis) => (decimal(millis.into())), None => "no limit" } }
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
                dt { "Identity" } dd { (copyable(view.service.id)) }
            }
        }
    }
}

fn of_revision(revision: &Revision) -> Markup {
    let ports: Vec<String> = revision.ports().iter().map(ToString::to_string).collect();
    html! {
        dt { "Revision" } dd { (revision.number) }
        dt { "Digest" } dd { (copyable(&revision.image.digest)) }
        dt { "Size" } dd { (human_bytes(revision.image.size_bytes)) }
        dt { "Platform" } dd { (revision.image.platform) }
        dt { "Ports" } dd { @if ports.is_empty() { "none" } @else { (ports.join(", ")) } }
        dt { "Health" } dd { (revision.check()) }
    }
}
