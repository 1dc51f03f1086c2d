//! What is to be known before the next deploy: what became of the last one, and what a deploy would bring by itself.

use jiff::Timestamp;
use maud::{Markup, html};
use mirage_control::{MovedTag, ServiceView};
use mirage_core::{Phase, Reference, Source};

use crate::copy::copyable;
use crate::form::form;
use crate::link;
use crate::prose::beginning;
use crate::visitor::Visitor;
use crate::when::{ago, cut};

/// The longest reference that is shown, in characters.
const REFERENCE: usize = 80;
/// The longest reason that is shown, in characters; the page of the deployment has all of it.
const WHY: usize = 300;

/// That the last deployment failed, why, and whether anything serves nevertheless.
pub(super) fn failed(visitor: &Visitor, view: &ServiceView, now: Timestamp) -> Markup {
    let failed = view.newest.as_ref().filter(|newest| newest.phase == Phase::Failed);
    html! {
        @if let Some(failed) = failed {
            section.notice.bad aria-labelledby="failed" {
                h2 #failed {
                    "Deployment #" (failed.revision) " failed "
                    (ago(failed.finished_at.unwrap_or(failed.created_at), now))
                }
                @if let Some(failure) = &failed.failure { p { (beginning(&failure.message, WHY)) } }
                p {
                    @match &view.active {
                        Some(active) => {
                            "What ran before, " a href=(link::deployment(active.id)) { "#" (active.revision) } ", still serves. "
                        },
                        None => "Nothing of it serves. ",
                    }
                    a href=(link::deployment(failed.id)) { "See what happened" }
                }
                @if let (Some(runs), Some(active)) = (other_image(view), &view.active) {
                    @let Source::Image(asked) = &view.service.spec.source;
                    p {
                        "The next deploy, also one of another setting, tries " code { (cut(&asked.familiar(), REFERENCE)) } " again. "
                        "To stay on what runs, set its image again:"
                    }
                    (form(visitor, &format!("{}/keep", link::service(view)), "actions", html! {
                        button type="submit" name="image" value=(runs) { "Keep the image of #" (active.revision) }
                    }))
                }
            }
        }
    }
}

/// The image that runs, where another one is set.
fn other_image(view: &ServiceView) -> Option<&Reference> {
    let Source::Image(asked) = &view.service.spec.source;
    let runs =
        view.revision.as_ref().filter(|_| view.active.is_some()).map(|revision| &revision.image.reference);
    runs.filter(|runs| *runs != asked)
}

/// That a deploy of the image that is set would bring other bytes than those that run.
pub(super) fn moved(moved: Option<&MovedTag>) -> Markup {
    html! {
        @if let Some(moved) = moved {
            div.notice.warn {
                p {
                    code { (moved.reference.familiar()) } " has come to mean other bytes than what runs: those of #" (moved.newer)
                    ", while #" (moved.runs) " runs. A deploy, also one of another setting, brings what it means by then."
                }
                p { "To stay on what runs, deploy " (copyable(moved.pinned.familiar())) }
            }
        }
    }
}
