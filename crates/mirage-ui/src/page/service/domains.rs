//! `/projects/{project}/{environment}/{service}/domains`: names of a service's own, and their certificates.

mod one;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use maud::{Markup, html};
use mirage_control::{Control, ListedDomain, NewDomain, ServiceRef, ServiceView, Standing};
use mirage_core::{CertificateSource, Domain, Error, Result};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::advice::ADVICE;
use super::{Tab, at_field, named, service_frame};
use crate::badge::State as Badge;
use crate::fault::{Fault, explained};
use crate::field::Field;
use crate::form::{Sent, form};
use crate::link;
use crate::page::encrypted::without_tls;
use crate::page::{Asked, At, after};
use crate::prose::beginning;
use crate::shell::more;
use crate::visitor::Visitor;
use crate::when::exact;

pub(super) use one::{certificate, change, remove, renew, show};

/// Domains on a page.
const MOST: u32 = 40;
/// The most characters of the reason of a failure.
const WHY: usize = 600;

/// What was typed, and what is wrong with it.
struct Typed<'a> {
    domain: &'a str,
    redirect: bool,
    certificate: bool,
    error: Option<&'a Error>,
}

/// `GET …/domains`
pub(super) async fn list(
    State(control): State<Control>,
    visitor: Visitor,
    At(place): At<(String, String, String)>,
    asked: Asked,
) -> Result<Response, Fault> {
    let after: Option<Domain> = after(asked, |text| text.parse().ok())?;
    let view = named(&control, &visitor, place).await?;
    let typed = Typed { domain: "", redirect: true, certificate: true, error: None };
    page(&control, &visitor, &view, after.as_ref(), &typed).await
}

/// `POST …/domains`: one more
pub(super) async fn add(
    State(control): State<Control>,
    At(place): At<(String, String, String)>,
    sent: Sent,
) -> Result<Response, Fault> {
    let view = named(&control, &sent.visitor, place).await?;
    let (redirect, certificate) = (sent.fields.has("redirect"), sent.fields.has("certificate"));
    let domain = sent.fields.text("domain");
    let added = async {
        let domain = domain.parse::<Domain>()?;
        let new = NewDomain { domain, redirect_https: Some(redirect), certificate: Some(certificate) };
        control.add_domain(sent.visitor.actor(), &ServiceRef::Id(view.service.id), new).await
    };
    match added.await.map_err(|error| ADVICE.told(at_field(error, "domain"))) {
        Ok(_) => Ok(Redirect::to(&Tab::Domains.path(&view)).into_response()),
        Err(error) => {
            let typed = Typed { domain, redirect, certificate, error: Some(&error) };
            page(&control, &sent.visitor, &view, None, &typed).await
        }
    }
}

/// Where a domain of a service is.
fn path_of(view: &ServiceView, domain: &Domain) -> String {
    format!("{}/{}", Tab::Domains.path(view), utf8_percent_encode(domain.as_str(), NON_ALPHANUMERIC))
}

/// What went wrong the last time that a certificate was asked for.
fn why(listed: &ListedDomain) -> Option<Markup> {
    let why = listed.certificate.last_error.as_ref()?;
    Some(html! { p.why { "A certificate was asked for and not given: " (beginning(why, WHY)) "." } })
}

/// How its certificate stands.
fn standing(control: &Control, listed: &ListedDomain) -> Markup {
    let Standing { meaning, word, .. } = control.standing(listed);
    let (source, end) = (listed.record.certificate, listed.certificate.expires_at);
    html! {
        (Badge { meaning, word, since: None }.badge(control.now()))
        @match source {
            CertificateSource::None => ", it answers over plain HTTP",
            CertificateSource::Own => ", your own",
            CertificateSource::Acme => {},
        }
        @match end.filter(|_| source != CertificateSource::None) {
            Some(end) if end <= control.now() => { ", since " (exact(end)) },
            Some(end) => { ", until " (exact(end)) },
            None => {},
        }
    }
}

async fn page(
    control: &Control,
    visitor: &Visitor,
    view: &ServiceView,
    after: Option<&Domain>,
    typed: &Typed<'_>,
) -> Result<Response, Fault> {
    let by_id = ServiceRef::Id(view.service.id);
    let listing = control.domains(visitor.actor(), Some(&by_id), after, MOST).await?;
    let (now, path) = (control.now(), Tab::Domains.path(view));
    let unplaced = typed.error.filter(|error| !matches!(error.at_field(), Some("domain" | "certificate")));
    // Nobody who asks for no certificate has to know.
    let asks = listing.items.iter().any(|listed| listed.record.certificate != CertificateSource::None);
    let tls = if asks { without_tls(control, visitor).await? } else { None };
    let body = html! {
        @if let Some(error) = unplaced { (explained(error)) }
        section aria-labelledby="domains" {
            h2 #domains { "Domains" }
            @if let Some(said) = tls { div.notice.warn { p { (said) } } }
            @if listing.items.is_empty() { (empty(view)) } @else { (table(control, view, &listing.items)) }
            @if let Some(last) = listing.items.last().filter(|_| listing.more) {
                (more(&format!("{path}?after={}", utf8_percent_encode(last.record.domain.as_str(), NON_ALPHANUMERIC)), "More domains"))
            }
        }
        (add_form(visitor, view, typed))
    };
    let twin = [format!("mirage domain add {} DOMAIN", link::spoken(view)), "mirage domain list".to_owned()];
    let page = service_frame(view, visitor, Tab::Domains, now, (None, &twin), &body);
    let status = if typed.error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok((status, page).into_response())
}

fn empty(view: &ServiceView) -> Markup {
    html! {
        div.empty {
            p { strong { "It has no domain of its own." } }
            p { @match &view.url {
                Some(url) => { "It answers at " a.mono href=(url) { (url) } ". Add a name that leads to this machine." },
                None => "It is a worker and answers nowhere; a domain leads to it once it listens on a port.",
            } }
        }
    }
}

fn table(control: &Control, view: &ServiceView, domains: &[ListedDomain]) -> Markup {
    html! {
        div.scroll role="group" aria-label="Domains" tabindex="0" {
            table.compared {
                thead { tr { th scope="col" { "Domain" } th scope="col" { "Plain HTTP" } th scope="col" { "Certificate" } } }
                tbody {
                    @for listed in domains {
                        tr {
                            th scope="row" {
                                a href=(path_of(view, &listed.record.domain)) { (listed.record.domain) }
                                " " a.quiet href=(control.url_of_domain(&listed.record.domain)) { "Open" span.sr { " " (listed.record.domain) } }
                            }
                            td { @if listed.record.redirect_https { "is led to HTTPS" } @else { "is answered" } }
                            td { (standing(control, listed)) }
                        }
                        @if let Some(why) = why(listed) { tr { td colspan="3" { (why) } } }
                    }
                }
            }
        }
    }
}

fn add_form(visitor: &Visitor, view: &ServiceView, typed: &Typed<'_>) -> Markup {
    let domain = Field {
        name: "domain",
        label: "Domain",
        value: typed.domain,
        example: "shop.example.com",
        help: "A host name that leads to this machine; it answers over plain HTTP until it has a certificate.",
        required: true,
        error: typed.error,
        ..Field::default()
    };
    let tick = |name, label, on: bool| {
        Field { name, label, value: if on { "yes" } else { "" }, error: typed.error, ..Field::default() }
            .tick()
    };
    let fields = html! {
        (domain.text())
        (tick("redirect", "Lead plain HTTP to HTTPS, once there is a certificate", typed.redirect))
        (tick("certificate", "Ask the certificate authority for a certificate", typed.certificate))
        button.primary type="submit" { "Add the domain" }
    };
    html! {
        section aria-labelledby="add" {
            h2 #add { "Add one" }
            (form(visitor, &Tab::Domains.path(view), "stacked", fields))
        }
    }
}
