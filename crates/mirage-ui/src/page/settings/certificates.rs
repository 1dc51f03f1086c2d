//! `/settings/certificates`: domains and how their certificates stand.

use axum::extract::State;
use axum::response::Html;
use maud::{Markup, html};
use mirage_control::{Control, ListedDomain, Standing};

use super::framed;
use crate::badge::State as Badge;
use crate::fault::Fault;
use crate::link;
use crate::page::{Asked, after};
use crate::prose::prose;
use crate::shell::{more, table};
use crate::visitor::Visitor;
use crate::when::{cut, exact};

/// Domains on a page.
const MOST: u32 = 50;
/// The longest reason that a row shows, in characters.
const REASON: usize = 300;

/// `GET /settings/certificates`
pub(crate) async fn list(
    State(control): State<Control>,
    visitor: Visitor,
    asked: Asked,
) -> Result<Html<String>, Fault> {
    let after = after(asked, |text| text.parse().ok())?;
    let about = control.about(visitor.actor()).await?;
    let listing = control.domains(visitor.actor(), None, after.as_ref(), MOST).await?;
    let body = html! {
        section aria-labelledby="domains" {
            h2 #domains { "Domains" }
            @if listing.items.is_empty() && after.is_none() { (empty()) } @else {
                (table("Certificates", &["Domain", "Service", "Certificate", "Valid until", "Asked for again"], html! {
                    @for listed in &listing.items { (row(&control, listed)) }
                }))
            }
            @if let Some(last) = listing.items.last().filter(|_| listing.more) {
                (more(&format!("/settings/certificates?after={}", link::quoted(last.record.domain.as_str())), "More domains"))
            }
        }
        section aria-labelledby="authority" {
            h2 #authority { "Where they come from" }
            dl.properties {
                dt { "Authority" } dd.mono { (about.authority) }
                dt { "Port for TLS" }
                dd { @match about.proxy_tls_port {
                    Some(port) => (port),
                    None => { "none: start " code { "mirage serve" } " with " code { "--proxy-tls-listen 0.0.0.0:443" } },
                } }
            }
        }
    };
    Ok(framed(&visitor, "Certificates", &["mirage domain list".to_owned()], &body))
}

fn empty() -> Markup {
    html! {
        div.empty {
            p { strong { "No service has a domain of its own." } }
            p { "Give it one on its page, or in a terminal: " code { "mirage domain add web shop.example" } }
        }
    }
}

fn row(control: &Control, listed: &ListedDomain) -> Markup {
    let (record, status) = (&listed.record, &listed.certificate);
    let Standing { meaning, word, .. } = control.standing(listed);
    let service = format!(
        "{}/{}",
        link::environment(listed.project.as_str(), listed.environment.as_str()),
        listed.service
    );
    html! {
        tr {
            th scope="row" { (record.domain) }
            td { a href=(service) { (listed.service) } " " span.quiet { (listed.project) "/" (listed.environment) } }
            td {
                (Badge { meaning, word, since: None }.badge(control.now()))
                " " span.quiet { (record.certificate.as_str()) }
                @if let Some(error) = &status.last_error { div.quiet { (prose(&cut(error, REASON))) } }
            }
            td { @if let Some(end) = status.expires_at { (exact(end)) } }
            td { @if let Some(next) = status.next_renewal_at { (exact(next)) } }
        }
    }
}
