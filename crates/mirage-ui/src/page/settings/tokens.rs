//! `/settings/tokens`: tokens for the images of projects. One is shown when it is made, and never again.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::StatusCode;
use jiff::Timestamp;
use maud::{Markup, html};
use mirage_control::{About, Control, NewToken};
use mirage_core::{Code, Error, Grant, Name, Result, Secret};

use super::framed;
use crate::copy::copyable;
use crate::fault::{Advice, Fault};
use crate::field::Field;
use crate::form::{Fields, Sent, again, elsewhere, form, token};
use crate::page::reading::read;
use crate::page::{Asked, At, after};
use crate::shell::{more, table};
use crate::visitor::Visitor;
use crate::when::ago;

/// Tokens on a page.
const MOST: u32 = 50;
/// What this page has where hints name commands.
const HERE: Advice = Advice {
    fields: &[],
    instead: &[(Code::NameTaken, "", "choose another name, or remove that one in the list")],
};

/// `GET /settings/tokens`
pub(crate) async fn list(
    State(control): State<Control>,
    visitor: Visitor,
    asked: Asked,
) -> Result<Html<String>, Fault> {
    Ok(page(&control, &visitor, after(asked, place)?, &Fields::default(), None).await?)
}

/// `POST /settings/tokens`: the answer is the one page that ever has the token
pub(crate) async fn create(
    State(control): State<Control>,
    Sent { visitor, fields }: Sent,
) -> Result<Response, Fault> {
    let made = match wanted(&fields) {
        Ok(new) => control.create_token(visitor.actor(), new).await,
        Err(error) => Err(error),
    };
    match made {
        Ok((grant, secret)) => {
            let about = control.about(visitor.actor()).await?;
            Ok((StatusCode::CREATED, made_page(&visitor, &grant, &secret, &about)).into_response())
        }
        Err(error) => {
            let error = HERE.told(error);
            Ok(again(page(&control, &visitor, None, &fields, Some(&error)).await?))
        }
    }
}

/// `POST /settings/tokens/{token}/remove`
pub(crate) async fn remove(
    State(control): State<Control>,
    At(id): At<String>,
    Sent { visitor, .. }: Sent,
) -> Result<Redirect, Fault> {
    control.remove_token(visitor.actor(), id.parse()?).await?;
    Ok(Redirect::to("/settings/tokens"))
}

fn wanted(fields: &Fields) -> Result<NewToken> {
    Ok(NewToken {
        name: fields.text("name").parse().map_err(|error: Error| error.field("name"))?,
        project: read(fields, "project", "project")?,
        push: fields.has("push"),
    })
}

async fn page(
    control: &Control,
    visitor: &Visitor,
    after: Option<(Name, Name)>,
    typed: &Fields,
    error: Option<&Error>,
) -> Result<Html<String>> {
    let listing = control.tokens(visitor.actor(), after.as_ref(), MOST).await?;
    let now = control.now();
    let body = html! {
        section aria-labelledby="tokens" {
            h2 #tokens { "Tokens" }
            p { "A token is for the images of one project in the built-in registry: for a CI that pushes, or a machine "
                "that pulls. It opens nothing else." }
            @if listing.items.is_empty() && after.is_none() { (empty()) } @else {
                form method="post" {
                    (token(visitor))
                    (table("Tokens", &["Token", "Allows", "Made", "Take it away"], html! {
                        @for grant in &listing.items { (row(grant, now)) }
                    }))
                }
            }
            @if let Some(last) = listing.items.last().filter(|_| listing.more) {
                (more(&format!("/settings/tokens?after={}/{}", last.project_name, last.name), "More tokens"))
            }
        }
        section aria-labelledby="make" {
            h2 #make { "Make a token" }
            (making(visitor, typed, error))
        }
    };
    let twin = ["mirage token list".to_owned(), "mirage token create ci --push".to_owned()];
    Ok(framed(visitor, "Tokens", &twin, &body))
}

fn empty() -> Markup {
    html! {
        div.empty {
            p { strong { "There is no token." } }
            p { "The admin token pushes and pulls everything; whoever needs less gets one here." }
        }
    }
}

fn row(grant: &Grant, now: Timestamp) -> Markup {
    let name = format!("{}/{}", grant.project_name, grant.name);
    html! {
        tr {
            th scope="row" { (name) }
            td { @if grant.push { "push and pull" } @else { "pull" } " " span.mono { (grant.project_name) "/…" } }
            td { (ago(grant.created_at, now)) }
            td {
                details {
                    summary { "Remove" }
                    p { "From then on it opens nothing, and nobody can bring it back." }
                    button.danger type="submit" formaction=(format!("/settings/tokens/{}/remove", grant.id)) { "Remove " (name) }
                }
            }
        }
    }
}

fn making(visitor: &Visitor, typed: &Fields, error: Option<&Error>) -> Markup {
    let name = Field {
        name: "name",
        label: "Name",
        value: typed.text("name"),
        example: "ci",
        help: "What it is for.",
        required: true,
        error,
        ..Field::default()
    };
    let project = Field {
        name: "project",
        label: "Project",
        value: typed.text("project"),
        example: "default",
        help: "Its repositories are below this name.",
        required: false,
        ..name
    };
    // Whoever comes from the page of images wants to push.
    let is_wanted = visitor.path().ends_with("?push=yes");
    let push = Field {
        name: "push",
        label: "May push",
        value: if is_wanted { "yes" } else { typed.text("push") },
        help: "Images may be pushed and removed, besides pulled.",
        ..Field::default()
    };
    form(
        visitor,
        "/settings/tokens",
        "stacked",
        html! {
            (elsewhere(error, &["name", "project"]))
            (name.text()) (project.text()) (push.tick())
            button.primary type="submit" { "Make the token" }
        },
    )
}

fn made_page(visitor: &Visitor, grant: &Grant, secret: &Secret, about: &About) -> Html<String> {
    let host = visitor.registry(&about.registry_hosts);
    let body = html! {
        section aria-labelledby="made" {
            h2 #made { "The token " (grant.project_name) "/" (grant.name) }
            div.notice.ok {
                p { strong { "Copy it now: it is shown this once." } }
                p { (copyable(secret.reveal())) }
            }
            p { "It is a password for any user name:" }
            @if let Some(host) = host {
                p { (copyable(format!("docker login {host} --username {}", grant.name))) }
            }
            p { a href="/settings/tokens" { "I have it" } }
        }
    };
    framed(visitor, "Tokens", &["mirage token list".to_owned()], &body)
}

fn place(text: &str) -> Option<(Name, Name)> {
    let (project, name) = text.split_once('/')?;
    Some((project.parse().ok()?, name.parse().ok()?))
}
