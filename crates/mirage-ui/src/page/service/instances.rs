//! The containers of a service.

use jiff::Timestamp;
use maud::{Markup, html};
use mirage_control::{InstanceView, ServiceView};
use mirage_core::{InstanceState, Verdict};

use crate::badge;
use crate::copy::copyable;
use crate::link;
use crate::prose::beginning;

/// Instances that are shown; a service may have more.
const SHOWN: usize = 50;
/// The longest reason that is shown, in characters.
const WHY: usize = 300;

/// The piece with all of them.
pub(super) fn section(view: &ServiceView, now: Timestamp) -> Markup {
    let rest = view.instances.len().saturating_sub(SHOWN);
    html! {
        section aria-labelledby="instances" {
            h2 #instances { "Instances" }
            @if view.instances.is_empty() {
                p.quiet { @if view.service.replicas == 0 { "None is wanted." } @else { "None runs." } }
            } @else {
                div.scroll role="group" aria-label="Instances" tabindex="0" {
                    table {
                        thead {
                            tr {
                                th scope="col" { "Place" } th scope="col" { "State" } th scope="col" { "Address" }
                                th scope="col" { "Process" } th scope="col" { "Identity" } th scope="col" { "Wrote" }
                            }
                        }
                        tbody { @for instance in view.instances.iter().take(SHOWN) { (row(view, instance, now)) } }
                    }
                }
                @if rest > 0 { p.quiet { (rest) " more" } }
            }
        }
    }
}

fn row(of: &ServiceView, view: &InstanceView, now: Timestamp) -> Markup {
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
                @if let Some(why) = why { " " (beginning(&why, WHY)) }
            }
            td.mono { @if let Some(address) = view.address { (address) } }
            td.number { @if let Some(pid) = view.pid { (pid) } }
            td { (copyable(view.instance.id)) }
            td {
                a href=(format!("{}/logs?instance={}", link::service(of), view.instance.id)) {
                    "Logs" span.sr { " of place " (view.instance.ordinal) }
                }
            }
        }
    }
}
