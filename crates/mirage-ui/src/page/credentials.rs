//! `/credentials`: the logins for registries, without their passwords.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use jiff::Timestamp;
use maud::{Markup, html};
use mirage_control::{Control, CredentialPlace, ListedCredential, NewCredential, ServicePath};
use mirage_core::{CredentialId, Error, RegistryPlace, Result, Secret};

use super::{Asked, after};
use crate::fault::Fault;
use crate::field::Field;
use crate::form::{Fields, Sent, again, elsewhere, form, token};
use crate::link;
use crate::page::reading::read;
use crate::shell::{Page, more, table};
use crate::visitor::Visitor;
use crate::when::{ago, cut};

/// Credentials on a page.
const MOST: u32 = 40;
/// Services that a row names.
const NAMED: usize = 2;
/// The longest user name that a row shows, in characters.
const NAME: usize = 40;
/// What registries take as user name and password: which, its address, the two.
const KNOWN: [(&str, &str, &str, &str); 6] = [
    ("Docker Hub", "docker.io", "your user name", "a personal access token that may read"),
    ("GitHub", "ghcr.io", "your user name", "a classic personal access token with read:packages"),
    ("GitLab", "registry.gitlab.com", "the name of a deploy token", "the token, with read_registry"),
    (
        "Amazon ECR",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        "the id of an access key",
        "its secret; of a temporary one the secret, a colon and the session token",
    ),
    ("Google", "europe-docker.pkg.dev", "_json_key", "the JSON key file of a service account"),
    ("Quay", "quay.io", "a robot account, such as acme+ci", "its token"),
];

/// What a row says.
const COLUMNS: [&str; 6] = ["Registry", "User", "For", "Used by", "Password set", "Try it"];

type Users = HashMap<CredentialId, Vec<ServicePath>>;

/// `GET /credentials`
pub(crate) async fn list(
    State(control): State<Control>,
    visitor: Visitor,
    asked: Asked,
) -> Result<Html<String>, Fault> {
    Ok(page(&control, &visitor, after(asked, place)?, &Fields::default(), None).await?)
}

/// `POST /credentials`: a new one, or another password for one that is there
pub(crate) async fn set(
    State(control): State<Control>,
    Sent { visitor, fields }: Sent,
) -> Result<Response, Fault> {
    let kept = match wanted(&fields) {
        Ok(new) => control.set_credential(visitor.actor(), new).await,
        Err(error) => Err(error),
    };
    match kept {
        Ok(kept) => Ok(Redirect::to(&link::credential(kept.credential.id)).into_response()),
        Err(error) => {
            let error = own_field(error);
            Ok(again(page(&control, &visitor, None, &fields, Some(&error)).await?))
        }
    }
}

/// What a credential is for: a registry, or what is below a repository there.
pub(super) fn whole_place(listed: &ListedCredential) -> String {
    let owner = &listed.credential.owner;
    match &listed.credential.prefix {
        Some(prefix) => format!("{}/{prefix}", owner.host),
        None => owner.host.to_string(),
    }
}

/// Whose services pull with it.
pub(super) fn scope(listed: &ListedCredential) -> String {
    match (&listed.environment, &listed.service) {
        (Some(environment), Some(service)) => {
            format!("the service {}/{environment}/{service}", listed.project)
        }
        (Some(environment), None) => format!("the environment {}/{environment}", listed.project),
        _ => format!("the project {}", listed.project),
    }
}

fn wanted(fields: &Fields) -> Result<NewCredential> {
    let at = RegistryPlace::read(fields.text("registry"), fields.text("repository"))?;
    Ok(NewCredential {
        place: CredentialPlace {
            project: read(fields, "project", "project")?,
            environment: read(fields, "environment", "environment")?,
        },
        host: at.host,
        prefix: at.prefix,
        username: fields.text("username").to_owned(),
        password: Secret::from(fields.raw("password").to_owned()),
    })
}

/// The field as it is called here; where a service is changed it has a longer name.
fn own_field(error: Error) -> Error {
    let field =
        error.at_field().and_then(|field| field.strip_prefix("registryCredentials.")).map(str::to_owned);
    match field {
        Some(field) => error.field(field),
        None => error,
    }
}

async fn page(
    control: &Control,
    visitor: &Visitor,
    after: Option<Place>,
    typed: &Fields,
    error: Option<&Error>,
) -> Result<Html<String>> {
    let listing = control.credentials(visitor.actor(), after.as_ref(), MOST).await?;
    let users = control.credential_users(visitor.actor()).await?;
    let now = control.now();
    let body = html! {
        h1 { "Credentials" }
        @if listing.items.is_empty() && after.is_none() { (empty()) } @else {
            form method="post" {
                (token(visitor))
                (table("Credentials", &COLUMNS, html! {
                    @for listed in &listing.items { (row(listed, &users, now)) }
                }))
            }
        }
        @if let Some(last) = listing.items.last().filter(|_| listing.more) {
            (more(&format!("/credentials?after={}", written(last)), "More credentials"))
        }
        section aria-labelledby="add" {
            h2 #add { "Add a login" }
            (adding(visitor, typed, error))
            (known())
        }
    };
    let twin = [
        "mirage credential list".to_owned(),
        "mirage credential set ghcr.io --username ci < token.txt".to_owned(),
    ];
    let page = Page { title: "Credentials", visitor: Some(visitor), crumbs: &[], twin: &twin, body };
    Ok(page.into_html())
}

fn row(listed: &ListedCredential, users: &Users, now: Timestamp) -> Markup {
    let credential = &listed.credential;
    let path = link::credential(credential.id);
    html! {
        tr {
            th scope="row" { a href=(path) { (cut(&whole_place(listed), NAME)) } }
            td { (cut(&credential.owner.username, NAME)) }
            td { (scope(listed)) }
            td { (used_by(users.get(&credential.id).map(Vec::as_slice).unwrap_or_default())) }
            td { (ago(credential.updated_at, now)) }
            td { button type="submit" formaction=(format!("{path}/test")) { "Test" } }
        }
    }
}

fn used_by(services: &[ServicePath]) -> Markup {
    html! {
        @if services.is_empty() { span.quiet { "no service" } }
        @for (at, service) in services.iter().take(NAMED).enumerate() {
            @if at > 0 { ", " }
            a href=(link::at(service)) { (service.name) }
        }
        @if services.len() > NAMED { " and " (services.len() - NAMED) " more" }
    }
}

fn empty() -> Markup {
    html! {
        div.empty {
            p { strong { "No login is kept." } }
            p { "Images that everybody may read need none. For a private one add the login here, or give it with the service: "
                code { "mirage deploy ghcr.io/acme/web:1 --registry-username ci --registry-password-stdin < token.txt" } }
        }
    }
}

fn adding(visitor: &Visitor, typed: &Fields, error: Option<&Error>) -> Markup {
    const FIELDS: [&str; 6] = ["registry", "repository", "username", "password", "project", "environment"];
    let field = |name: &'static str, label: &'static str, example: &'static str, help: &'static str| Field {
        name,
        label,
        value: typed.text(name),
        example,
        help,
        error,
        ..Field::default()
    };
    form(
        visitor,
        "/credentials",
        "stacked pairs",
        html! {
            (elsewhere(error, &FIELDS))
            (Field { required: true, ..field("registry", "Registry", "ghcr.io", "Its host, with the port where it has one; a pasted address will do.") }.text())
            (field("repository", "Only for repositories below", "acme", "Leave it empty for all of the registry.").text())
            (Field { required: true, ..field("username", "User name", "ci", "Where a token alone suffices, any, such as token.") }.text())
            (Field { required: true, ..field("password", "Password or token", "", "It is sealed, and no page shows it again.") }.password())
            (field("project", "Project", "default", "Its services share the login. It is made if it is not there.").text())
            (field("environment", "Environment", "production", "Leave it empty for all environments of the project.").text())
            button.primary type="submit" { "Keep the login" }
        },
    )
}

fn known() -> Markup {
    html! {
        details.known {
            summary { "What registries take as user name and password" }
            (table("What registries take", &["Registry", "Address", "User name", "Password"], html! {
                @for (name, host, user, password) in KNOWN {
                    tr { th scope="row" { (name) } td.mono { (host) } td { (user) } td { (password) } }
                }
            }))
        }
    }
}

/// A place in the list: registry, repository or nothing, id.
type Place = (String, String, CredentialId);

fn written(listed: &ListedCredential) -> String {
    let credential = &listed.credential;
    let prefix = credential.prefix.as_ref().map(ToString::to_string).unwrap_or_default();
    link::quoted(&format!("{}/{prefix}@{}", credential.owner.host, credential.id))
}

fn place(text: &str) -> Option<Place> {
    let (at, id) = text.rsplit_once('@')?;
    let (host, prefix) = at.split_once('/')?;
    Some((host.to_owned(), prefix.to_owned(), id.parse().ok()?))
}
