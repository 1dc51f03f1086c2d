//! `/settings/about`: what runs here, and what stands in its way.

use axum::extract::State;
use axum::response::Html;
use jiff::Timestamp;
use maud::{Markup, html};
use mirage_control::{About, Control, Finding};
use mirage_core::Meaning;

use super::framed;
use crate::badge::State as Badge;
use crate::fault::Fault;
use crate::prose::prose;
use crate::shell::table;
use crate::visitor::Visitor;
use crate::when::since;

/// `GET /settings/about`
pub(crate) async fn show(State(control): State<Control>, visitor: Visitor) -> Result<Html<String>, Fault> {
    let about = control.about(visitor.actor()).await?;
    let findings = control.doctor(visitor.actor()).await?;
    let now = control.now();
    let wrong = findings.iter().filter(|finding| finding.hint.is_some()).count();
    let body = html! {
        section aria-labelledby="findings" {
            h2 #findings { "What was looked at" }
            p { @match wrong {
                0 => "All is well.",
                1 => "One thing needs attention.",
                _ => { (wrong) " things need attention." },
            } }
            (table("Findings", &["State", "What", "Seen"], html! {
                @for finding in ordered(&findings) { (row(finding, now)) }
            }))
        }
        section aria-labelledby="platform" {
            h2 #platform { "This platform" }
            (properties(&about, now))
        }
    };
    Ok(framed(&visitor, "About", &["mirage doctor".to_owned()], &body))
}

/// What needs attention first.
fn ordered(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    let (wrong, well): (Vec<_>, Vec<_>) = findings.iter().partition(|finding| finding.hint.is_some());
    wrong.into_iter().chain(well)
}

fn row(finding: &Finding, now: Timestamp) -> Markup {
    let (meaning, word) = match finding.hint {
        None => (Meaning::Ok, "well"),
        Some(_) => (Meaning::Warn, "look at it"),
    };
    html! {
        tr {
            td { (Badge { meaning, word, since: None }.badge(now)) }
            th scope="row" { (finding.subject) }
            td {
                (prose(&finding.seen))
                @if let Some(hint) = &finding.hint { div.quiet { (advice(hint, finding.domain.is_some())) } }
            }
        }
    }
}

fn properties(about: &About, now: Timestamp) -> Markup {
    html! {
        dl.properties {
            dt { "Version" } dd { "Mirage " (env!("CARGO_PKG_VERSION")) }
            dt { "Runs since" } dd { (since(about.started_at, now)) }
            dt { "Images for" } dd.mono { (about.platform) }
            dt { "Data directory" } dd.mono { (about.setup.data) }
            dt { "Services answer at" }
            dd {
                span.mono { (about.address_of("SERVICE-ENVIRONMENT")) }
                span.quiet { ", such as " (about.address_of("web-production")) }
            }
            dt { "Domains answer at" }
            dd {
                span.mono { (about.url_of_name("DOMAIN")) }
                @match about.tls_url_of_name("DOMAIN") {
                    Some(tls) => { " and " span.mono { (tls) } },
                    None => span.quiet { ", and not over TLS" },
                }
            }
            dt { "Built-in registry" }
            dd.mono { @for host in &about.registry_hosts { (host) " " } }
        }
    }
}

/// What to do about it. What a page can do is a link to it.
fn advice(hint: &str, is_of_domain: bool) -> Markup {
    html! {
        @if is_of_domain { a href="/settings/certificates" { "Certificates" } " say why; the page of the domain has what can be done" }
        @else { (prose(hint)) }
    }
}
