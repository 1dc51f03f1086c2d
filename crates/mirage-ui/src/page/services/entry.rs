//! One service among others.

use jiff::Timestamp;
use maud::{Markup, html};
use mirage_control::{Control, ServiceUsage, ServiceView};
use mirage_core::{Deployment, Phase, Source, human_bytes};

use crate::badge::{self, State};
use crate::link;
use crate::registry::Registry;
use crate::when::{ago, cut};

/// The longest reference and address that is shown, in characters.
const REFERENCE: usize = 60;
/// The longest name of somebody that is shown, in characters.
const WHO: usize = 40;

/// The id of its element.
pub(super) fn id(view: &ServiceView) -> String {
    // A page has the services of one environment, in which each name is there once.
    format!("s-{}", view.service.name)
}

/// The row of a table.
pub(super) fn cells(
    view: &ServiceView,
    control: &Control,
    usage: Option<&ServiceUsage>,
    now: Timestamp,
) -> Markup {
    html! {
        th scope="row" { a href=(link::service(view)) { (view.service.name) } }
        td { (badge::of_service(view).badge(now)) }
        td { (badge_of(view, control)) " " (image(view, REFERENCE)) }
        td.number { (replicas(view)) }
        td.number { (used(usage)) }
        td { (address(view)) }
        td { (last(view, now)) }
    }
}

/// A card.
pub(super) fn card(
    view: &ServiceView,
    control: &Control,
    usage: Option<&ServiceUsage>,
    now: Timestamp,
) -> Markup {
    html! {
        h2 { a href=(link::service(view)) { (view.service.name) } " " (badge::of_service(view).badge(now)) }
        p { (badge_of(view, control)) " " (image(view, REFERENCE)) }
        p { (address(view)) }
        p.quiet { (replicas(view)) " running " (used(usage)) }
        p { (last(view, now)) }
    }
}

/// The image that runs and what it turned out to be; where another one was asked for last, that too.
pub(crate) fn image(view: &ServiceView, most: usize) -> Markup {
    let Source::Image(asked) = &view.service.spec.source;
    let name = |reference: &mirage_core::Reference| {
        let familiar = reference.familiar();
        let is_cut = familiar.chars().nth(most).is_some();
        // Where it is too wide it loses its beginning: the tag is what tells one from the other.
        html! { span.mono.end title=[is_cut.then_some(&familiar)] { bdi dir="ltr" { (cut(&familiar, most)) } } }
    };
    // Without anything active the revision is of what was asked for and did not run.
    let runs = view.revision.as_ref().filter(|_| view.active.is_some()).map(|revision| &revision.image);
    let known =
        runs.or(view.revision.as_ref().map(|revision| &revision.image)).filter(|it| it.reference == *asked);
    html! {
        @match (runs, known) {
            (Some(image), None) => {
                (name(&image.reference)) " " span.mono.quiet { (image.digest.short()) }
                " " span.asked { "asked for " (name(asked)) }
            },
            (_, Some(image)) => { (name(asked)) " " span.mono.quiet { (image.digest.short()) } },
            (None, None) => (name(asked)),
        }
    }
}

/// What kind of thing it is made of, and where that is from.
pub(crate) fn badge_of(view: &ServiceView, control: &Control) -> Markup {
    let Source::Image(asked) = &view.service.spec.source;
    let runs = view.revision.as_ref().filter(|_| view.active.is_some());
    Registry::of(control, runs.map_or(asked, |revision| &revision.image.reference)).badge()
}

fn replicas(view: &ServiceView) -> Markup {
    html! { (view.instances.len()) span.quiet { "/" (view.service.replicas) } }
}

/// It changes with every look, which is no reason to send a row: see [`crate::live`].
fn used(usage: Option<&ServiceUsage>) -> Markup {
    html! {
        @if let Some(usage) = usage {
            data value=(usage.memory_bytes) {
                (human_bytes(usage.memory_bytes)) span.quiet { " · " (usage.cpu_millis / 10) " %" }
            }
        }
    }
}

fn address(view: &ServiceView) -> Markup {
    html! {
        @match &view.url {
            Some(url) => a.mono href=(url) { (cut(url.trim_start_matches("http://"), REFERENCE)) },
            None => span.quiet { "none, it is a worker" },
        }
    }
}

fn last(view: &ServiceView, now: Timestamp) -> Markup {
    html! {
        @match &view.newest {
            Some(newest) => {
                @if has_failed(view) { (State { since: None, ..badge::of_deployment(newest) }.badge(now)) " " }
                a href=(link::deployment(newest.id)) title=(newest.trigger) {
                    @if !matches!(newest.phase, Phase::Active | Phase::Failed) { (newest.phase) " " }
                    (ago(newest.created_at, now))
                }
                @if !newest.requested_by.is_empty() { span.quiet { " by " (cut(&newest.requested_by, WHO)) } }
            },
            None => span.quiet { "never" },
        }
    }
}

/// Whether its last deployment failed, whatever runs.
pub(crate) fn has_failed(view: &ServiceView) -> bool {
    view.newest.as_ref().is_some_and(|newest| newest.phase == Phase::Failed)
}

/// Who asked for a deployment, where that is remembered, and what goes on behind it.
pub(crate) fn by(deployment: &Deployment) -> Markup {
    html! { @if !deployment.requested_by.is_empty() { "by " (cut(&deployment.requested_by, WHO)) ", " } }
}
