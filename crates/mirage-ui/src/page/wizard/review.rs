//! `/new/{draft}/review`: what will happen, and the same by other ways. Only here something is made.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use mirage_control::{Control, CreateService, Draft, Prospect};
use mirage_core::setting::label;
use mirage_core::{Error, Result, decimal, human_bytes};

use super::advice::ADVICE;
use super::look::{Found, Seen};
use super::request::request;
use super::{Step, page, twin};
use crate::copy::copyable;
use crate::fault::{Fault, explained};
use crate::form::{Sent, button, form, of_button};
use crate::link;
use crate::page::At;
use crate::page::encrypted::without_tls;
use crate::visitor::Visitor;
use crate::when::cut;

/// The longest of the other ways that is shown, in characters. A copy of more has to be made in a terminal.
const LONG: usize = 8_000;
/// The longest text of a line, in characters.
const LINE: usize = 300;

/// `GET /new/{draft}/review`
pub(crate) async fn show(
    State(control): State<Control>,
    visitor: Visitor,
    At(id): At<String>,
) -> Result<Response, Fault> {
    let draft = control.draft(visitor.actor(), id.parse()?).await?;
    shown(&control, &visitor, &draft, None).await
}

/// `POST /new/{draft}/review`: makes the service.
pub(crate) async fn send(
    State(control): State<Control>,
    At(id): At<String>,
    Sent { visitor, .. }: Sent,
) -> Result<Response, Fault> {
    let draft = control.draft(visitor.actor(), id.parse()?).await?;
    let made = match request(&draft.fields) {
        Ok(request) => control.deploy_draft(visitor.actor(), draft.id, request).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(deployment) => Ok(Redirect::to(&link::deployment(deployment)).into_response()),
        Err(error) => shown(&control, &visitor, &draft, Some(&ADVICE.told(of_button(error)))).await,
    }
}

/// `POST /new/{draft}/drop`
pub(crate) async fn discard(
    State(control): State<Control>,
    At(id): At<String>,
    Sent { visitor, .. }: Sent,
) -> Result<Redirect, Fault> {
    control.drop_draft(visitor.actor(), id.parse()?).await?;
    Ok(Redirect::to("/new"))
}

async fn shown(
    control: &Control,
    visitor: &Visitor,
    draft: &Draft,
    refused: Option<&Error>,
) -> Result<Response, Fault> {
    let id = draft.id;
    let ahead = match request(&draft.fields) {
        Ok(request) => control.prospect(visitor.actor(), &request).await.map(|ahead| (request, ahead)),
        Err(error) => Err(error),
    };
    let ahead = ahead.map_err(|error| ADVICE.told(error));
    let with_domains = ahead.as_ref().is_ok_and(|(request, _)| !request.domains.is_empty());
    let tls = if with_domains { without_tls(control, visitor).await? } else { None };
    let seen = Seen::of(&draft.fields);
    let unseen = seen.as_ref().and_then(Seen::refusal).or_else(|| {
        let what = "the image was not checked as it is written now";
        let error = Error::new(mirage_core::Code::InvalidRequest, what).field("image");
        seen.is_none().then(|| error.hint("go back to the image: it is checked there"))
    });
    let error = refused.or(ahead.as_ref().err()).or(unseen.as_ref());
    let found = seen.as_ref().and_then(Seen::found);
    let body = html! {
        @if let Some(error) = error {
            (explained(error))
            @let step = Step::of(error);
            p { a href=(step.path(id)) { "Change it: " (step.words().to_lowercase()) } " · everything typed is kept" }
        }
        @if let Ok((request, ahead)) = &ahead {
            section aria-labelledby="plan" { h2 #plan { "What will happen" } (plan(request, ahead, found)) }
        }
        @if let Some(said) = tls { div.notice.warn { p { (said) } } }
        (form(visitor, &Step::Review.path(id), "wizard", html! {
            div.actions {
                button.primary type="submit" disabled[error.is_some() && refused.is_none()] { "Deploy" }
                a href=(Step::Settings.path(id)) { "Back to the settings" }
            }
        }))
        @if let Ok((request, ahead)) = &ahead { (others(request, ahead, found)) }
        div.leave-off { (button(visitor, &format!("/new/{id}/drop"), "Discard this draft")) }
    };
    let command = match &ahead {
        Ok((request, _)) => cut(&twin::command(request), 1_000),
        Err(_) => "mirage deploy --help".to_owned(),
    };
    let response = page(visitor, Step::Review, Some(id), &[command], &[], body);
    Ok(match refused {
        Some(_) => (http::StatusCode::UNPROCESSABLE_ENTITY, response).into_response(),
        None => response,
    })
}

/// The plan in the words of those who wait for it.
fn plan(request: &CreateService, ahead: &Prospect, found: Option<&Found>) -> Markup {
    let spec = &request.spec;
    let mirage_core::Source::Image(image) = &spec.source;
    let place = format!("{}/{}/{}", ahead.project, ahead.environment, ahead.name);
    let ports: Vec<String> = match &spec.ports {
        Some(ports) => ports.iter().map(ToString::to_string).collect(),
        None => found.map(|it| it.ports.iter().map(ToString::to_string).collect()).unwrap_or_default(),
    };
    let worker = spec.ports.as_ref().is_some_and(Vec::is_empty);
    let sealed = request.variables.values().filter(|input| input.seal).count();
    html! {
        dl.properties {
            dt { "Service" }
            dd {
                span.mono { (place) }
                @match (ahead.is_new_project, ahead.is_new_environment) {
                    (true, _) => span.quiet { " project and environment are made" },
                    (false, true) => span.quiet { " the environment is made" },
                    (false, false) => {},
                }
            }
            dt { "Image" }
            dd {
                span.mono { (cut(&image.familiar(), LINE)) }
                @if let Some(found) = found {
                    " " span.quiet { (human_bytes(found.size_bytes)) ", " (found.platform) ", " (found.to_move()) }
                }
            }
            @if let Some(username) = &request.credentials.username {
                dt { "Pulled as" }
                dd { (cut(username, LINE)) @if request.credentials.password.is_some() { span.quiet { " with the password that was typed" } } }
            }
            dt { "Starts" }
            dd {
                (request.replicas) @if request.replicas == 1 { " instance" } @else { " instances" }
                @if let Some(command) = &spec.command { " of " span.mono { (cut(&command.join(" "), LINE)) } }
            }
            dt { "Waits until" } dd { (well(request, found, &ports)) }
            dt { "Ports" }
            dd { @if worker { "none: it is a worker" } @else if ports.is_empty() { "8080, told as PORT" } @else { (ports.join(", ")) } }
            dt { "Answers at" }
            dd {
                @match &ahead.url { Some(url) => span.mono { (url) }, None => "no address" }
                @for new in &request.domains { " " span.mono { (new.domain) } }
            }
            dt { "Variables" }
            dd { (request.variables.len()) @if sealed > 0 { ", " (sealed) " of them sealed" } }
            @if !spec.volumes.is_empty() {
                dt { "Keeps" }
                dd.mono { @for mount in &spec.volumes { (mount.volume) ":" (mount.path) " " } }
            }
            @if let Some(bytes) = spec.resources.memory_bytes { dt { (label("resources.memory")) } dd { "at most " (human_bytes(bytes)) } }
            @if let Some(millis) = spec.resources.cpu_millis { dt { (label("resources.cpu")) } dd { "at most " (decimal(millis.into())) } }
            @if spec.auto_deploy { dt { "Later" } dd { "is deployed whenever its tag is pushed" } }
        }
    }
}

fn well(request: &CreateService, found: Option<&Found>, ports: &[String]) -> String {
    let port = ports.first().map_or("8080", String::as_str);
    match (&request.spec.probe.path, found.and_then(|it| it.health.as_ref())) {
        (Some(path), _) => format!("GET {} on port {port} answers", cut(path, LINE)),
        (None, Some(command)) => format!("the image's HEALTHCHECK ends well: {}", cut(command, LINE)),
        (None, None) if request.spec.ports.as_ref().is_some_and(Vec::is_empty) => {
            "its process runs".to_owned()
        }
        (None, None) => format!("port {port} accepts connections"),
    }
}

/// The same by other ways, to be copied.
fn others(request: &CreateService, ahead: &Prospect, found: Option<&Found>) -> Markup {
    let sealed = twin::sealed(request);
    let exposed = found.map(|found| found.ports.as_slice()).unwrap_or_default();
    let ways = [
        ("command", "As a command", twin::command(request)),
        ("rest", "As a request", twin::rest(request)),
        ("compose", "As a compose file", twin::compose(request, ahead.name.as_str(), exposed)),
    ];
    html! {
        section aria-labelledby="others" {
            h2 #others { "The same by other ways" }
            @if !sealed.is_empty() || request.credentials.password.is_some() {
                p.quiet {
                    "Secrets are not in them: "
                    @if request.credentials.password.is_some() { code { "password.txt" } " has the password. " }
                    @if !sealed.is_empty() {
                        code { "sealed.env" } " has " @for line in sealed.iter().take(20) { code { (line) } " " }
                    }
                }
            }
            @for (id, words, text) in &ways {
                details {
                    summary id=(id) { (words) }
                    pre role="region" aria-labelledby=(id) tabindex="0" { (copyable(cut(text, LONG))) }
                }
            }
        }
    }
}
