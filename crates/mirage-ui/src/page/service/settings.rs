//! `/projects/{project}/{environment}/{service}/settings`: how its processes run, are judged, and follow each other.

mod groups;
mod reading;
mod values;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use maud::html;
use mirage_control::{Control, ServiceRef, ServiceView};
use mirage_core::{Error, Result};

use super::advice::ADVICE;
use super::overview::waiting;
use super::save::{Made, buttons, save};
use super::{Tab, named, service_frame};
use crate::fault::Fault;
use crate::form::{Sent, form};
use crate::link;
use crate::page::At;
use crate::page::reading::overview;
use crate::visitor::Visitor;
use values::Values;

/// `GET …/settings`
pub(super) async fn show(
    State(control): State<Control>,
    visitor: Visitor,
    At(place): At<(String, String, String)>,
) -> Result<Response, Fault> {
    let view = named(&control, &visitor, place).await?;
    page(&control, &visitor, (&view, &Made::now(&view)), &Values::of(&view), &[])
}

/// `POST …/settings`
pub(super) async fn change(
    State(control): State<Control>,
    At(place): At<(String, String, String)>,
    sent: Sent,
) -> Result<Response, Fault> {
    let view = named(&control, &sent.visitor, place).await?;
    let values = Values::sent(&sent.fields);
    let saved = match reading::patch(&control, &view, &values, &sent.fields) {
        Ok(patch) => save(&control, &sent, &view, Tab::Settings, patch).await.map_err(|error| vec![error]),
        Err(errors) => Err(errors),
    };
    match saved {
        Ok(answer) => Ok(answer),
        Err(errors) => {
            let errors: Vec<_> = errors.into_iter().map(|error| ADVICE.told(error)).collect();
            let made = Made::again(&view, &sent.fields, &errors[0]);
            page(&control, &sent.visitor, (&view, &made), &values, &errors)
        }
    }
}

/// `GET …/remove`: what goes and what stays
pub(super) async fn ask_to_remove(
    State(control): State<Control>,
    visitor: Visitor,
    At(place): At<(String, String, String)>,
) -> Result<Response, Fault> {
    let view = named(&control, &visitor, place).await?;
    let (path, name) = (link::service(&view), &view.service.name);
    let volumes: Vec<String> =
        view.service.spec.volumes.iter().map(|mount| mount.volume.to_string()).collect();
    let domains: Vec<String> = view.domains.iter().map(ToString::to_string).collect();
    let confirm = html! {
        div.actions {
            button.danger type="submit" { "Remove " (name) }
            a href=(Tab::Settings.path(&view)) { "Keep it" }
        }
    };
    let body = html! {
        section aria-labelledby="remove" {
            h2 #remove { "Remove this service?" }
            ul.plain {
                li { "It gets no more requests, and its " (view.instances.len()) " instances end." }
                li { "Its settings, variables and the record of its deployments go." }
                @if !domains.is_empty() { li { "Its domains go, with their certificates: " span.mono { (domains.join(", ")) } } }
                @if volumes.is_empty() { li { "It has no volumes." } } @else {
                    li { strong { "Its volumes stay" } ", and another service can take them: " span.mono { (volumes.join(", ")) } }
                }
            }
            (form(&visitor, &format!("{path}/remove"), "", confirm))
        }
    };
    let twin = [format!("mirage remove {}", link::spoken(&view))];
    Ok(service_frame(&view, &visitor, Tab::Settings, control.now(), (None, &twin), &body).into_response())
}

/// `POST …/remove`
pub(super) async fn remove(
    State(control): State<Control>,
    At(place): At<(String, String, String)>,
    sent: Sent,
) -> Result<Response, Fault> {
    let view = named(&control, &sent.visitor, place).await?;
    control.remove(sent.visitor.actor(), &ServiceRef::Id(view.service.id)).await?;
    let (project, environment) = (view.project.name.as_str(), view.environment.name.as_str());
    Ok(Redirect::to(&link::environment(project, environment)).into_response())
}

fn page(
    control: &Control,
    visitor: &Visitor,
    (view, made): (&ServiceView, &Made),
    values: &Values,
    errors: &[Error],
) -> Result<Response, Fault> {
    let path = Tab::Settings.path(view);
    let inside = html! { (groups::all(view, values, errors)) (buttons(view, Tab::Settings, made)) };
    let body = html! {
        (waiting(view)?)
        (overview(errors))
        (form(visitor, &path, "settings", inside))
        section.removal aria-labelledby="removal" {
            h2 #removal { "Remove" }
            p { "Its volumes stay. What else goes is said before it does." }
            p { a.danger href=(format!("{}/remove", link::service(view))) { "Remove this service" } }
        }
    };
    let spoken = link::spoken(view);
    let twin = [format!("mirage status {spoken} --json"), format!("mirage remove {spoken}")];
    let page = service_frame(view, visitor, Tab::Settings, control.now(), (None, &twin), &body);
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok((status, page).into_response())
}
