//! `/deployments/{id}`: one attempt to make a revision live.

use axum::extract::State;
use axum::response::Html;
use jiff::Timestamp;
use maud::{Markup, html};
use mirage_control::{Control, DeploymentView, ServiceRef};
use mirage_core::{DeploymentId, Failure, StepRecord, human_bytes};

use crate::badge;
use crate::fault::Fault;
use crate::link;
use crate::page::At;
use crate::prose::prose;
use crate::shell::Page;
use crate::visitor::Visitor;
use crate::when::{cut, exact, took};

/// Lines of a log that are shown, and characters of each.
const LINES: usize = 100;
const LINE: usize = 500;

/// `GET /deployments/{deployment}`
pub(crate) async fn one(
    State(control): State<Control>,
    visitor: Visitor,
    At(id): At<String>,
) -> Result<Html<String>, Fault> {
    let view = control.deployment(visitor.actor(), id.parse::<DeploymentId>()?).await?;
    let of = control.service(visitor.actor(), &ServiceRef::Id(view.deployment.service)).await?;
    let (now, state) = (control.now(), badge::of_deployment(&view.deployment));
    let title = format!("{} #{}", of.service.name, view.deployment.revision);
    let body = html! {
        div class=(format!("banner {}", badge::class(state.meaning))) {
            h1 { (title) }
            (state.badge(now))
        }
        @if let Some(failure) = &view.deployment.failure { (why(failure)) }
        section aria-labelledby="steps" {
            h2 #steps { "Steps" }
            (steps(&view, now))
        }
        section aria-labelledby="properties" {
            h2 #properties { "Properties" }
            (properties(&view))
        }
    };
    let (project, environment) = (of.project.name.as_str(), of.environment.name.as_str());
    let crumbs = [
        ("Projects", "/projects".to_owned()),
        (project, format!("/projects/{project}")),
        (environment, link::environment(project, environment)),
        (of.service.name.as_str(), link::service(&of)),
    ];
    let twin = [format!("mirage deployments {}", link::spoken(&of))];
    Ok(Page { title: &title, visitor: Some(&visitor), crumbs: &crumbs, twin: &twin, body }.into_html())
}

fn steps(view: &DeploymentView, now: Timestamp) -> Markup {
    let steps = &view.deployment.steps;
    html! {
        @if steps.is_empty() { p.quiet { "No step was taken yet." } } @else {
            ol.steps { @for step in steps { li { (one_step(step, now)) } } }
        }
        @if let Some(progress) = &view.progress {
            p {
                (progress.layers_moved) " of " (progress.layers_total) " layers have to be moved, "
                (human_bytes(progress.bytes_done)) " of " (human_bytes(progress.bytes_total))
            }
        }
    }
}

fn one_step(step: &StepRecord, now: Timestamp) -> Markup {
    html! {
        (badge::of_step(step).badge(now))
        " " strong { (step.kind.as_str()) }
        " " span { (prose(&cut(&step.summary, LINE))) }
        " " span.quiet.number { (took(step.started_at, step.finished_at.unwrap_or(now))) }
    }
}

fn why(failure: &Failure) -> Markup {
    let skipped = failure.log_tail.len().saturating_sub(LINES);
    html! {
        section.notice.bad aria-labelledby="why" {
            h2 #why { "Why it failed" }
            p { strong { (prose(&failure.message)) } }
            @if let Some(hint) = &failure.hint { p { (prose(hint)) } }
            p.code { (failure.code) }
            @if !failure.log_tail.is_empty() {
                h3 #tail { "The last lines it wrote" }
                pre role="region" aria-labelledby="tail" tabindex="0" {
                    @for line in failure.log_tail.iter().skip(skipped) { (cut(line, LINE)) "\n" }
                }
            }
        }
    }
}

fn properties(view: &DeploymentView) -> Markup {
    let (deployment, revision) = (&view.deployment, &view.revision);
    html! {
        dl.properties {
            dt { "Why" } dd { (deployment.trigger) }
            dt { "Revision" } dd { (revision.number) }
            dt { "Image" } dd.mono { (revision.image.reference.familiar()) }
            dt { "Digest" } dd.mono { (revision.image.digest) }
            @if let Some(previous) = &view.previous {
                dt { "Before" }
                dd.mono {
                    (previous.image.digest)
                    @if previous.image.digest == revision.image.digest { span.quiet { " the same" } }
                }
            }
            @if let Some(replaces) = deployment.replaces {
                dt { "Replaces" } dd.mono { a href=(link::deployment(replaces)) { (replaces) } }
            }
            dt { "Asked for" } dd { (exact(deployment.created_at)) }
            @if let Some(end) = deployment.finished_at {
                dt { "Ended" } dd { (exact(end)) }
                dt { "Took" } dd { (took(deployment.created_at, end)) }
            }
            dt { "Identity" } dd.mono { (deployment.id) }
        }
    }
}
