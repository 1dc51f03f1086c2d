//! The pieces of the page of a deployment.

use jiff::Timestamp;
use maud::{Markup, html};
use mirage_core::port::PullProgress;
use mirage_core::{Failure, Phase, StepRecord, human_bytes};

use super::Shown;
use crate::badge;
use crate::copy::copyable;
use crate::link;
use crate::page::logs::coloured;
use crate::page::service::advice::failure_hint;
use crate::page::services::by;
use crate::prose::{beginning, prose};
use crate::when::{ago, cut, exact, short_digest, took};

/// Layers of an image that are shown while it is pulled.
const LAYERS: usize = 8;
/// Lines of a log that are shown, and characters of each.
const LINES: usize = 100;
const LINE: usize = 500;

/// What it is, and how far.
pub(super) fn head(shown: &Shown, now: Timestamp) -> Markup {
    let deployment = &shown.view.deployment;
    let state = badge::of_deployment(deployment);
    let image = &shown.view.revision.image;
    html! {
        div class=(format!("banner {}", badge::class(state.meaning))) {
            h1 { (shown.title()) }
            (state.badge(now))
            @if let Some(url) = shown.of.url.as_ref().filter(|_| shown.runs()) {
                a.mono href=(url) { (url.trim_start_matches("http://")) }
            }
            span.what {
                span.mono { (cut(&image.reference.familiar(), LINE)) } " " (short_digest(&image.digest))
            }
            span.what { (deployment.trigger) " " (by(deployment)) (ago(deployment.created_at, now)) }
        }
    }
}

/// How it is, for whoever hears the page.
pub(super) fn told(shown: &Shown) -> String {
    format!("{} {}", shown.title(), badge::deployment_in_words(&shown.view.deployment))
}

/// What was done, and what went wrong.
pub(super) fn steps(shown: &Shown, now: Timestamp) -> Markup {
    let view = &shown.view;
    let deployment = &view.deployment;
    let failing = deployment.steps.iter().rposition(|step| step.failed);
    let failure = deployment.failure.as_ref();
    html! {
        section aria-labelledby="steps" {
            h2 #steps { "Steps" }
            @if failure.is_some() { p { (standing(shown)) } }
            @if deployment.steps.is_empty() && failure.is_none() { p.quiet { "No step was taken yet." } }
            @if !deployment.steps.is_empty() {
                ol.steps {
                    @for (at, step) in deployment.steps.iter().enumerate() {
                        li {
                            @match failure.filter(|_| failing == Some(at)) {
                                Some(failure) => details open {
                                    summary { (one_step(step, now)) }
                                    (why(failure))
                                },
                                None => (one_step(step, now)),
                            }
                        }
                    }
                }
            }
            @if let Some(failure) = failure.filter(|_| failing.is_none()) { (why(failure)) }
            @if let Some(progress) = &view.progress { (pull(progress)) }
        }
    }
}

/// What it was made of.
pub(super) fn properties(shown: &Shown, now: Timestamp) -> Markup {
    let view = &shown.view;
    let has_run = view.deployment.phase != Phase::Failed;
    let (deployment, revision) = (&view.deployment, &view.revision);
    html! {
        section aria-labelledby="properties" {
            h2 #properties { "Properties" }
            dl.properties {
                dt { "Why" } dd { (deployment.trigger) }
                dt { "Revision" } dd { (revision.number) }
                dt { "Image" } dd.mono { (revision.image.reference.familiar()) }
                dt { "Digest" } dd { (copyable(&revision.image.digest)) }
                @if let Some(previous) = &view.previous {
                    dt { "Before" }
                    dd {
                        (copyable(&previous.image.digest))
                        @if previous.image.digest == revision.image.digest { span.quiet { " the same" } }
                    }
                }
                @if let Some(replaces) = deployment.replaces {
                    dt { @if has_run { "Replaces" } @else { "Was to replace" } }
                    dd {
                        a href=(link::deployment(replaces)) {
                            @match &view.previous { Some(previous) => { "#" (previous.number) }, None => "an earlier one" }
                        }
                    }
                }
                @if !deployment.requested_by.is_empty() { dt { "Asked by" } dd { (deployment.requested_by) } }
                dt { "Asked for" } dd { (exact(deployment.created_at)) " " span.quiet { (ago(deployment.created_at, now)) } }
                @if let Some(end) = deployment.finished_at {
                    dt { "Ended" } dd { (exact(end)) }
                    dt { "Took" } dd { (took(deployment.created_at, end)) }
                }
                dt { "Identity" } dd { (copyable(deployment.id)) }
            }
        }
    }
}

/// What serves although this one failed.
fn standing(shown: &Shown) -> Markup {
    html! {
        @match &shown.of.active {
            Some(active) if active.id != shown.view.deployment.id => {
                a href=(link::deployment(active.id)) { "#" (active.revision) } " serves; this one never got a request."
            },
            Some(_) => {},
            None => { "Nothing of " (shown.of.service.name) " serves." },
        }
    }
}

fn one_step(step: &StepRecord, now: Timestamp) -> Markup {
    html! {
        (badge::of_step(step).badge(now))
        " " strong { (step.kind.as_str()) }
        " " span.said { (beginning(&step.summary, LINE)) }
        " " span.quiet.number { (took(step.started_at, step.finished_at.unwrap_or(now))) }
    }
}

fn pull(progress: &PullProgress) -> Markup {
    let bar = |label: &str, total: u64, done: u64| {
        html! { progress aria-label=(label) max=(total.max(1)) value=(done.min(total)) {} }
    };
    // Those that are on their way first: the others are over.
    let (moving, over): (Vec<_>, Vec<_>) = progress.layers.iter().partition(|(_, total, done)| done < total);
    let shown = moving.into_iter().chain(over).take(LAYERS);
    html! {
        p.pull {
            (bar("Bytes of the image that are here", progress.bytes_total, progress.bytes_done))
            " " (progress.layers_moved) " of " (progress.layers_total) " layers have to be moved, "
            span.number { (human_bytes(progress.bytes_done)) " of " (human_bytes(progress.bytes_total)) }
        }
        @if !progress.layers.is_empty() {
            ul.layers aria-label="Layers" {
                @for (digest, total, done) in shown {
                    li {
                        (bar(&format!("Layer {}", digest.short()), *total, *done))
                        " " span.mono { (digest.short()) }
                        " " span.quiet.number { (human_bytes(*done)) " of " (human_bytes(*total)) }
                    }
                }
            }
        }
    }
}

fn why(failure: &Failure) -> Markup {
    let skipped = failure.log_tail.len().saturating_sub(LINES);
    html! {
        div.notice.bad {
            h3 #why { "Why it failed" }
            p { strong { (prose(&failure.message)) } }
            @if let Some(hint) = &failure.hint { p { (prose(&failure_hint(hint))) } }
            p.code { (failure.code) }
            @if !failure.log_tail.is_empty() {
                h3 #tail { "The last lines it wrote" }
                pre role="region" aria-labelledby="tail" tabindex="0" {
                    @for line in failure.log_tail.iter().skip(skipped) { (coloured(line, LINE)) "\n" }
                }
            }
        }
    }
}
