//! What is to be known before the next deploy: what became of the last one, and what a deploy would bring by itself.

use jiff::Timestamp;
use maud::{Markup, html};
use mirage_control::{MovedTag, ServiceView};
use mirage_core::Phase;

use crate::copy::copyable;
use crate::link;
use crate::prose::beginning;
use crate::when::ago;

/// The longest reason that is shown, in characters; the page of the deployment has all of it.
const WHY: usize = 300;

/// That the last deployment failed, why, and whether anything serves nevertheless.
pub(super) fn failed(view: &ServiceView, now: Timestamp) -> Markup {
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
            }
        }
    }
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
