//! `…/domains/{domain}`: one of them.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use maud::{Markup, html};
use mirage_control::{Control, DOMAINS_MAX, ListedDomain, NewDomain, ServiceRef, ServiceView};
use mirage_core::{CertificateSource, Code, Domain, Error, Result, Secret};

use super::{path_of, standing, why};
use crate::fault::{Fault, explained};
use crate::field::Field;
use crate::form::{Sent, button, form};
use crate::page::At;
use crate::page::encrypted::without_tls;
use crate::page::service::advice::ADVICE;
use crate::page::service::{Tab, named, service_frame};
use crate::visitor::Visitor;
use crate::when::exact;

/// What the address has in it.
type Place = (String, String, String, String);

/// A domain of a service.
struct Shown {
    view: ServiceView,
    listed: ListedDomain,
}

/// `GET …/domains/{domain}`
pub(in crate::page::service) async fn show(
    State(control): State<Control>,
    visitor: Visitor,
    At(place): At<Place>,
) -> Result<Response, Fault> {
    let shown = Shown::of(&control, &visitor, place).await?;
    shown.page(&control, &visitor, "", None).await
}

/// `POST …/domains/{domain}`: what holds for it
pub(in crate::page::service) async fn change(
    State(control): State<Control>,
    At(place): At<Place>,
    sent: Sent,
) -> Result<Response, Fault> {
    let shown = Shown::of(&control, &sent.visitor, place).await?;
    let new = NewDomain {
        domain: shown.listed.record.domain.clone(),
        redirect_https: Some(sent.fields.has("redirect")),
        certificate: Some(sent.fields.has("certificate")),
    };
    let by_id = ServiceRef::Id(shown.view.service.id);
    let changed = control.add_domain(sent.visitor.actor(), &by_id, new).await.map(drop);
    shown.answer(&control, &sent, "", changed).await
}

/// `POST …/domains/{domain}/certificate`: one of the user's own
pub(in crate::page::service) async fn certificate(
    State(control): State<Control>,
    At(place): At<Place>,
    sent: Sent,
) -> Result<Response, Fault> {
    let shown = Shown::of(&control, &sent.visitor, place).await?;
    let chain = sent.fields.raw("chain").replace('\r', "");
    let key = Secret::from(sent.fields.raw("key").replace('\r', ""));
    let domain = &shown.listed.record.domain;
    let set = control.set_certificate(sent.visitor.actor(), domain, &chain, &key).await.map(drop);
    shown.answer(&control, &sent, &chain, set).await
}

/// `POST …/domains/{domain}/renew`
pub(in crate::page::service) async fn renew(
    State(control): State<Control>,
    At(place): At<Place>,
    sent: Sent,
) -> Result<Response, Fault> {
    let shown = Shown::of(&control, &sent.visitor, place).await?;
    let asked = control.renew_certificate(sent.visitor.actor(), &shown.listed.record.domain).await.map(drop);
    shown.answer(&control, &sent, "", asked).await
}

/// `POST …/domains/{domain}/remove`
pub(in crate::page::service) async fn remove(
    State(control): State<Control>,
    At(place): At<Place>,
    sent: Sent,
) -> Result<Response, Fault> {
    let shown = Shown::of(&control, &sent.visitor, place).await?;
    match control.remove_domain(sent.visitor.actor(), &shown.listed.record.domain).await {
        Ok(_) => Ok(Redirect::to(&Tab::Domains.path(&shown.view)).into_response()),
        Err(error) => shown.page(&control, &sent.visitor, "", Some(&error)).await,
    }
}

impl Shown {
    async fn of(
        control: &Control,
        visitor: &Visitor,
        (project, environment, name, domain): Place,
    ) -> Result<Self> {
        let view = named(control, visitor, (project, environment, name)).await?;
        let domain: Domain = domain.parse()?;
        let by_id = ServiceRef::Id(view.service.id);
        let all = control.domains(visitor.actor(), Some(&by_id), None, DOMAINS_MAX).await?;
        let listed =
            all.items.into_iter().find(|listed| listed.record.domain == domain).ok_or_else(|| {
                Error::new(Code::NotFound, format!("`{}` has no domain `{domain}`", view.service.name))
                    .hint("its page “Domains” has those there are")
            })?;
        Ok(Self { view, listed })
    }

    /// This page again, as it is now, or with what is wrong.
    async fn answer(
        &self,
        control: &Control,
        sent: &Sent,
        chain: &str,
        done: Result<()>,
    ) -> Result<Response, Fault> {
        match done {
            Ok(()) => Ok(Redirect::to(&path_of(&self.view, &self.listed.record.domain)).into_response()),
            Err(error) => self.page(control, &sent.visitor, chain, Some(&ADVICE.told(error))).await,
        }
    }

    async fn page(
        &self,
        control: &Control,
        visitor: &Visitor,
        chain: &str,
        error: Option<&Error>,
    ) -> Result<Response, Fault> {
        let domain = &self.listed.record.domain;
        let path = path_of(&self.view, domain);
        let is_asked_for = self.listed.record.certificate == CertificateSource::Acme;
        let tls = match self.listed.record.certificate {
            CertificateSource::None => None,
            _ => without_tls(control, visitor).await?,
        };
        let body = html! {
            @if let Some(error) = error { (explained(error)) }
            @if let Some(said) = tls { div.notice.warn { p { (said) } } }
            section aria-labelledby="domain" {
                h2 #domain { (domain) }
                (self.properties(control))
                div.actions {
                    @if is_asked_for { (button(visitor, &format!("{path}/renew"), "Ask for a certificate now")) }
                    (button(visitor, &format!("{path}/remove"), "Remove the domain and its certificate"))
                }
            }
            (self.rules(visitor, &path))
            (own(visitor, &path, chain, error))
        };
        let twin = [
            format!("mirage domain certificate {domain} --cert FILE --key FILE"),
            format!("mirage domain remove {domain}"),
        ];
        let page = service_frame(&self.view, visitor, Tab::Domains, control.now(), (None, &twin), &body);
        let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        Ok((status, page).into_response())
    }

    fn properties(&self, control: &Control) -> Markup {
        let status = &self.listed.certificate;
        let address = control.url_of_domain(&self.listed.record.domain);
        html! {
            dl.properties {
                dt { "Address" } dd { a.mono href=(address) { (address) } }
                dt { "Certificate" }
                dd { (standing(control, &self.listed)) @if let Some(why) = why(&self.listed) { (why) } }
                @if let Some(at) = status.issued_at { dt { "Valid from" } dd { (exact(at)) } }
                @if let Some(at) = status.last_tried_at { dt { "Last asked for" } dd { (exact(at)) } }
                @if let Some(at) = status.next_renewal_at { dt { "Asked for next" } dd { (exact(at)) } }
                dt { "Added" } dd { (exact(self.listed.record.created_at)) }
            }
        }
    }

    fn rules(&self, visitor: &Visitor, path: &str) -> Markup {
        let record = &self.listed.record;
        let tick = |name, label, on: bool| {
            Field { name, label, value: if on { "yes" } else { "" }, ..Field::default() }.tick()
        };
        let fields = html! {
            (tick("redirect", "Lead plain HTTP to HTTPS, once there is a certificate", record.redirect_https))
            (tick("certificate", "It is to have a certificate", record.certificate != CertificateSource::None))
            button type="submit" { "Save" }
        };
        html! {
            section aria-labelledby="rules" {
                h2 #rules { "What holds for it" }
                (form(visitor, path, "stacked", fields))
            }
        }
    }
}

fn own(visitor: &Visitor, path: &str, chain: &str, error: Option<&Error>) -> Markup {
    let certificate = Field {
        name: "chain",
        label: "Certificate",
        value: chain,
        example: "-----BEGIN CERTIFICATE-----",
        help: "PEM, the certificate of the domain first, then those that signed it.",
        known_as: Some("certificate"),
        required: true,
        error,
        ..Field::default()
    };
    let key = Field {
        name: "key",
        label: "Private key",
        value: "",
        example: "-----BEGIN PRIVATE KEY-----",
        help: "PEM. It is sealed, and never shown again.",
        known_as: Some("key"),
        ..certificate
    };
    let fields = html! {
        (certificate.lines(6)) (key.lines(6))
        button type="submit" { "Use this certificate" }
    };
    html! {
        section aria-labelledby="own" {
            h2 #own { "Bring your own certificate" }
            p.quiet { "Nobody renews it: bring the next one before it expires." }
            (form(visitor, &format!("{path}/certificate"), "settings", fields))
        }
    }
}
