//! `/credentials/{credential}`: one login for a registry, to be tried, given another password, or forgotten.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::StatusCode;
use maud::{Markup, html};
use mirage_control::{Control, ListedCredential, ServicePath};
use mirage_core::port::LoginCheck;
use mirage_core::{CredentialId, Error, Reference, Result};

use super::At;
use super::credentials::{scope, whole_place};
use crate::copy::copyable;
use crate::fault::{Fault, explained};
use crate::field::Field;
use crate::form::{Sent, form};
use crate::link;
use crate::shell::Page;
use crate::visitor::Visitor;
use crate::when::ago;

/// Services that are named; more may pull with a login.
const SHOWN: usize = 100;

/// What came of trying a login.
struct Tried<'a> {
    /// The image that was asked for, as it was typed.
    image: &'a str,
    said: Result<LoginCheck, Error>,
}

/// `GET /credentials/{credential}`
pub(crate) async fn one(
    State(control): State<Control>,
    visitor: Visitor,
    At(id): At<String>,
) -> Result<Html<String>, Fault> {
    Ok(page(&control, &visitor, id.parse()?, None).await?)
}

/// `POST /credentials/{credential}/test`: changes nothing, so the answer is the page itself
pub(crate) async fn test(
    State(control): State<Control>,
    At(id): At<String>,
    Sent { visitor, fields }: Sent,
) -> Result<Response, Fault> {
    let id = id.parse::<CredentialId>()?;
    let text = fields.text("image");
    let image = Some(text).filter(|text| !text.is_empty()).map(|text| text.parse::<Reference>()).transpose();
    let said = match image {
        Ok(image) => control.test_credential(visitor.actor(), id, image.as_ref()).await,
        Err(error) => Err(error.field("image")),
    };
    let status = if said.is_ok() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = page(&control, &visitor, id, Some(Tried { image: text, said })).await?;
    Ok((status, page).into_response())
}

/// `GET /credentials/{credential}/remove`: what it would mean
pub(crate) async fn ask(
    State(control): State<Control>,
    visitor: Visitor,
    At(id): At<String>,
) -> Result<Html<String>, Fault> {
    let (listed, users) = read(&control, &visitor, id.parse()?).await?;
    let id = listed.credential.id;
    let title = format!("Remove the login for {}", whole_place(&listed));
    let body = html! {
        h1 { (title) }
        p { "The password of " strong { (listed.credential.owner.username) } " is forgotten, and nobody can bring it back. "
            "What runs goes on; what has to be pulled later is pulled without it." }
        section aria-labelledby="users" {
            h2 #users { "Who pulls with it" }
            (services(&users))
        }
        div.actions {
            (form(&visitor, &format!("{}/remove", link::credential(id)), "one", html! {
                button.danger type="submit" { "Remove the login" }
            }))
            a href=(link::credential(id)) { "Keep it" }
        }
    };
    let place = whole_place(&listed);
    let crumbs = [("Credentials", "/credentials".to_owned()), (place.as_str(), link::credential(id))];
    let twin = [format!("mirage credential remove {id}")];
    Ok(Page { title: &title, visitor: Some(&visitor), crumbs: &crumbs, twin: &twin, body }.into_html())
}

/// `POST /credentials/{credential}/remove`
pub(crate) async fn remove(
    State(control): State<Control>,
    At(id): At<String>,
    Sent { visitor, .. }: Sent,
) -> Result<Redirect, Fault> {
    control.remove_credential(visitor.actor(), id.parse()?).await?;
    Ok(Redirect::to("/credentials"))
}

async fn read(
    control: &Control,
    visitor: &Visitor,
    id: CredentialId,
) -> Result<(ListedCredential, Vec<ServicePath>)> {
    let listed = control.credential(visitor.actor(), id).await?;
    let users = control.credential_users(visitor.actor()).await?.remove(&id).unwrap_or_default();
    Ok((listed, users))
}

async fn page(
    control: &Control,
    visitor: &Visitor,
    id: CredentialId,
    tried: Option<Tried<'_>>,
) -> Result<Html<String>> {
    let (listed, users) = read(control, visitor, id).await?;
    let (credential, now) = (&listed.credential, control.now());
    let path = link::credential(id);
    let body = html! {
        h1 { (whole_place(&listed)) }
        @if let Some(tried) = &tried { (verdict(tried)) }
        dl.properties {
            dt { "User" } dd { (credential.owner.username) }
            dt { "Registry" } dd.mono { (credential.owner.host) }
            dt { "Repositories" }
            dd { @match &credential.prefix { Some(prefix) => { span.mono { (prefix) } " and below" }, None => "all" } }
            dt { "For" } dd { (scope(&listed)) }
            dt { "Password set" } dd { (ago(credential.updated_at, now)) }
            dt { "First given" } dd { (ago(credential.created_at, now)) }
            dt { "Identity" } dd { (copyable(id)) }
        }
        section aria-labelledby="users" {
            h2 #users { "Who pulls with it" }
            (services(&users))
        }
        section aria-labelledby="try" {
            h2 #try { "Try it" }
            (trying(visitor, &path, &listed, tried.as_ref()))
        }
        section aria-labelledby="password-head" {
            h2 #password-head { "Another password" }
            (replacing(visitor, &listed))
        }
        section aria-labelledby="forget" {
            h2 #forget { "Remove" }
            p { a href=(format!("{path}/remove")) { "Remove this login" } ", after a look at what it would mean" }
        }
    };
    let title = whole_place(&listed);
    let crumbs = [("Credentials", "/credentials".to_owned())];
    let twin = [format!("mirage credential test {id}")];
    let page = Page { title: &title, visitor: Some(visitor), crumbs: &crumbs, twin: &twin, body };
    Ok(page.into_html())
}

fn verdict(tried: &Tried<'_>) -> Markup {
    let said = match &tried.said {
        Err(error) if error.at_field() == Some("image") => return html! {},
        Err(error) => return explained(error),
        Ok(LoginCheck::NotAsked) => "The registry lets everybody in, and looked at no password.".to_owned(),
        Ok(LoginCheck::Accepted) if tried.image.is_empty() => "The registry took it.".to_owned(),
        Ok(LoginCheck::Accepted) => format!("The registry took it: {} can be read.", tried.image),
    };
    html! { div.notice.ok role="status" { p { strong { "● " (said) } } } }
}

fn services(users: &[ServicePath]) -> Markup {
    html! {
        @if users.is_empty() { p.quiet { "No service does." } } @else {
            ul.list {
                @for path in users.iter().take(SHOWN) {
                    li { a.name href=(link::at(path)) { (path.name) } " " span.quiet { (path.project) "/" (path.environment) } }
                }
            }
            @if users.len() > SHOWN { p.quiet { (users.len() - SHOWN) " more" } }
        }
    }
}

fn trying(visitor: &Visitor, path: &str, listed: &ListedCredential, tried: Option<&Tried<'_>>) -> Markup {
    let example = format!("{}/web:1", whole_place(listed));
    let field = Field {
        name: "image",
        label: "An image that must be readable with it",
        value: tried.map_or("", |tried| tried.image),
        example: &example,
        help: "Without one, the login alone is shown to the registry.",
        error: tried.and_then(|tried| tried.said.as_ref().err()),
        ..Field::default()
    };
    form(
        visitor,
        &format!("{path}/test"),
        "stacked",
        html! { (field.text()) button type="submit" { "Test" } },
    )
}

/// A form that gives it another password. A login of one service is changed where the service is.
fn replacing(visitor: &Visitor, listed: &ListedCredential) -> Markup {
    let credential = &listed.credential;
    let field = Field {
        name: "password",
        label: "Password or token",
        help: "It is sealed, and no page shows it again.",
        required: true,
        ..Field::default()
    };
    let hidden = |name: &str, value: String| html! { input type="hidden" name=(name) value=(value); };
    if let (Some(environment), Some(service)) = (&listed.environment, &listed.service) {
        let path = format!(
            "{}/{service}/settings",
            link::environment(listed.project.as_str(), environment.as_str())
        );
        return html! { p { "It is the service's own: " a href=(path) { "its settings" } " have it." } };
    }
    form(
        visitor,
        "/credentials",
        "stacked",
        html! {
            (hidden("registry", credential.owner.host.to_string()))
            (hidden("repository", credential.prefix.as_ref().map(ToString::to_string).unwrap_or_default()))
            (hidden("username", credential.owner.username.clone()))
            (hidden("project", listed.project.to_string()))
            (hidden("environment", listed.environment.as_ref().map(ToString::to_string).unwrap_or_default()))
            (field.password())
            button type="submit" { "Keep the password" }
        },
    )
}
