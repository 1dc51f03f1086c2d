//! `/new`: where the software comes from.

use std::slice::from_ref;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use maud::{Markup, html};
use mirage_control::{Control, Draft, DraftFields};
use mirage_core::{Error, Result};
use serde::Deserialize;

use super::typed::take_whole;
use super::{Step, page, pasted};
use crate::copy::copyable;
use crate::fault::Fault;
use crate::field::Field;
use crate::form::{Sent, form};
use crate::page::Behind;
use crate::shell::Page;
use crate::visitor::Visitor;
use crate::when::{ago, cut};

/// Drafts that are offered to go on with.
const DRAFTS: u32 = 5;
/// The longest text that an address may bring, in characters.
const GIVEN: usize = 2_000;

/// What the address says already.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Given {
    image: String,
    project: String,
    environment: String,
}

/// `GET /new`
pub(crate) async fn ask(
    State(control): State<Control>,
    visitor: Visitor,
    Behind(given): Behind<Given>,
) -> Result<Response, Fault> {
    shown(&control, &visitor, &given, None).await
}

/// `POST /new`: begins a draft.
pub(crate) async fn begin(
    State(control): State<Control>,
    Sent { visitor, fields }: Sent,
) -> Result<Response, Fault> {
    let text = |name: &str| cut(fields.text(name), GIVEN);
    let image = pasted::kept(fields.text("image"));
    let given =
        Given { image: cut(&image, GIVEN), project: text("project"), environment: text("environment") };
    let mut draft = DraftFields::default();
    if !given.image.is_empty() {
        // A command may be longer than what is kept of it.
        let whole = if image == fields.text("image") { &given.image } else { fields.text("image") };
        take_whole(&mut draft, whole);
    }
    for (name, text) in [("project", &given.project), ("environment", &given.environment)] {
        if !text.is_empty() {
            draft.set(name, text.as_str());
        }
    }
    match control.open_draft(visitor.actor(), draft).await {
        Ok(id) => Ok(Redirect::to(&Step::Image.path(id)).into_response()),
        Err(error) => shown(&control, &visitor, &given, Some(&error)).await,
    }
}

/// `GET /new/source`: what can be done today with source.
pub(crate) async fn repository(State(control): State<Control>, visitor: Visitor) -> Response {
    let hosts: Vec<_> = control.registry_hosts().into_iter().cloned().collect();
    let host = visitor.registry(&hosts).map(ToString::to_string).unwrap_or_default();
    let image = format!("{host}/default/web:1");
    let deploy = format!("mirage deploy {image} --auto-deploy");
    let steps = [
        ("Build an image where the source is", format!("docker build -t {image} .")),
        ("Make a password for the built-in registry, once", "mirage token create ci --push".to_owned()),
        ("Log in with it, under any user name", format!("docker login {host} --username token")),
        ("Push the image", format!("docker push {image}")),
        ("Deploy it, and again whenever the tag is pushed", deploy.clone()),
    ];
    let body = html! {
        h1 { "Source repository" }
        div.notice.wait {
            p { strong { "Mirage does not build from source yet." } }
            p { "When it does, a repository or a folder is named here, and each deploy builds an image of it. Until then the
                image is built elsewhere and pushed to the registry that is built in; from there all is the same." }
        }
        section aria-labelledby="today" {
            h2 #today { "What to do today" }
            ol.todo {
                @for (words, command) in steps { li { p { (words) } p { (copyable(command)) } } }
            }
            p.quiet { "Podman and Buildah take the same words. " code { (host) } " is where this platform is." }
        }
        p { a href="/new" { "Deploy an image instead" } }
    };
    let crumbs = [("Projects", "/projects".to_owned()), ("New service", "/new".to_owned())];
    let twin = [deploy];
    Page { title: "Source repository", visitor: Some(&visitor), crumbs: &crumbs, twin: &twin, body }
        .into_html()
        .into_response()
}

async fn shown(
    control: &Control,
    visitor: &Visitor,
    given: &Given,
    error: Option<&Error>,
) -> Result<Response, Fault> {
    let mut drafts = control.drafts(visitor.actor(), DRAFTS).await?;
    // There is nothing in it to go on with.
    drafts.retain(|draft| !draft.fields.get("image").is_empty());
    let image = cut(&pasted::kept(&given.image), GIVEN);
    let inner = html! {
        (Field {
            name: "image",
            label: "Image",
            value: &image,
            example: "nginx:1.27",
            help: "From any registry: `nginx:1.27`, `ghcr.io/acme/web:2.1`, `registry.example:5000/web`",
            ..Field::default()
        }.text())
        @for (name, text) in [("project", &given.project), ("environment", &given.environment)] {
            @if !text.is_empty() { input type="hidden" name=(name) value=(cut(text, GIVEN)); }
        }
        div.actions { button.primary type="submit" { "Use a Docker image" } }
    };
    let body = html! {
        p { "Where does the software come from?" }
        div.sources {
            section.source aria-labelledby="of-image" {
                h2 #of-image { "Docker image" }
                p { "Somebody built it: it is pulled from a registry and runs as it is." }
                (form(visitor, "/new", "wizard", inner))
            }
            section.source aria-labelledby="of-source" {
                h2 #of-source { "Source repository" }
                p { "It is built first, from a repository such as " code { "github.com/acme/web" } "." }
                p.quiet { "Builds are not there yet." }
                div.actions { a.button href="/new/source" { "What to do with source today" } }
            }
        }
        @if !drafts.is_empty() { (begun(&drafts, control.now())) }
    };
    let place = [("--project", &given.project), ("--environment", &given.environment)];
    let place = place.into_iter().filter(|(_, text)| text.parse::<mirage_core::Name>().is_ok());
    let place: String = place.map(|(option, text)| format!(" {option} {text}")).collect();
    let twin = [format!("mirage deploy nginx:1.27{place}")];
    Ok(page(visitor, Step::Source, None, &twin, error.map(from_ref).unwrap_or_default(), body))
}

/// What somebody began before.
fn begun(drafts: &[Draft], now: Timestamp) -> Markup {
    html! {
        section aria-labelledby="begun" {
            h2 #begun { "Go on with what you began" }
            ul.list {
                @for draft in drafts {
                    @let [image, name] = ["image", "service"].map(|field| draft.fields.get(field));
                    li {
                        a href=(Step::Image.path(draft.id)) { (cut(image, 80)) }
                        @if !name.is_empty() { " as " (cut(name, 40)) }
                        " " span.quiet { "typed " (ago(draft.changed_at, now)) }
                    }
                }
            }
        }
    }
}
