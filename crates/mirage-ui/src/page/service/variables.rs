//! `/projects/{project}/{environment}/{service}/variables`: the environment of its processes, as rows or as text.

mod editor;
mod typed;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use maud::{Markup, html};
use mirage_control::{Control, ServicePatch, ServiceView, SharedVariableView};
use mirage_core::{Error, Result};
use serde::Deserialize;

use super::advice::ADVICE;
use super::overview::waiting;
use super::save::{Made, buttons, save};
use super::{Tab, named, service_frame};
use crate::fault::{Fault, explained, unreadable};
use crate::form::{Sent, form};
use crate::link;
use crate::page::At;
use crate::visitor::Visitor;
use crate::when::cut;
use editor::Editor;

/// Variables that are edited as rows; more are edited as text.
const ROWS: usize = 40;
/// Shared variables that are shown, and the most characters of a value.
const SHARED: usize = 50;
const VALUE: usize = 120;

/// How they are edited.
#[derive(Deserialize)]
pub(super) struct How {
    #[serde(rename = "as", default)]
    way: String,
}

/// `GET …/variables`
pub(super) async fn show(
    State(control): State<Control>,
    visitor: Visitor,
    At(place): At<(String, String, String)>,
    how: Result<Query<How>, QueryRejection>,
) -> Result<Response, Fault> {
    let Query(How { way }) = how.map_err(|_| unreadable("what follows `?` in the address"))?;
    let view = named(&control, &visitor, place).await?;
    let editor = Editor::of(&view, way == "text");
    page(&control, &visitor, (&view, &Made::now(&view)), &editor, None).await
}

/// `POST …/variables`
pub(super) async fn change(
    State(control): State<Control>,
    At(place): At<(String, String, String)>,
    sent: Sent,
) -> Result<Response, Fault> {
    let view = named(&control, &sent.visitor, place).await?;
    let saved = match typed::changes(&view, &sent.fields) {
        Ok(variables) => {
            let patch = ServicePatch { variables, ..ServicePatch::default() };
            save(&control, &sent, &view, Tab::Variables, patch).await
        }
        Err(error) => Err(error),
    };
    match saved {
        Ok(answer) => Ok(answer),
        Err(error) => {
            let error = ADVICE.told(error);
            let editor = Editor::typed(&view, &sent.fields);
            let made = Made::again(&view, &sent.fields, &error);
            page(&control, &sent.visitor, (&view, &made), &editor, Some(&error)).await
        }
    }
}

async fn page(
    control: &Control,
    visitor: &Visitor,
    (view, made): (&ServiceView, &Made),
    editor: &Editor,
    error: Option<&Error>,
) -> Result<Response, Fault> {
    let (project, environment) = (view.project.name.clone(), view.environment.name.clone());
    let shared = control.shared_variables(visitor.actor(), Some(project), Some(environment)).await?;
    let path = Tab::Variables.path(view);
    let inside = html! { (editor.shown(error)) (buttons(view, Tab::Variables, made)) };
    let body = html! {
        (waiting(view)?)
        section aria-labelledby="variables" {
            h2 #variables { "Variables" }
            nav.ways aria-label="How variables are edited" {
                ul {
                    @for (text, to, words) in [(false, path.clone(), "Rows"), (true, format!("{path}?as=text"), "As .env text")] {
                        li { a href=(to) aria-current=[(editor.is_text() == text).then_some("true")] { (words) } }
                    }
                }
            }
            @if let Some(error) = error { (explained(error)) }
            (form(visitor, &path, "settings", inside))
        }
        (shared_section(view, &shared))
    };
    let spoken = link::spoken(view);
    let twin = [
        format!("mirage variables list -s {spoken}"),
        format!("mirage variables set -s {spoken} NAME=value"),
    ];
    let page = service_frame(view, visitor, Tab::Variables, control.now(), (None, &twin), &body);
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok((status, page).into_response())
}

fn shared_section(view: &ServiceView, shared: &[SharedVariableView]) -> Markup {
    let (project, environment) = (&view.project.name, &view.environment.name);
    let command =
        format!("mirage variables set --shared --project {project} --environment {environment} NAME=value");
    html! {
        section aria-labelledby="shared" {
            h2 #shared { "Shared in " (environment) }
            p.quiet {
                "Variables of the environment " (project) "/" (environment)
                ". They are the logins of registries whose names they follow; no process gets them unasked."
            }
            @if shared.is_empty() { p.quiet { "There are none. " code { (command) } " sets one." } } @else {
                div.scroll role="group" aria-label="Shared variables" tabindex="0" {
                    table {
                        thead { tr { th scope="col" { "Name" } th scope="col" { "Value" } } }
                        tbody {
                            @for variable in shared.iter().take(SHARED) {
                                tr {
                                    th.mono scope="row" { (variable.name) }
                                    td.mono { @match &variable.value {
                                        Some(value) => (cut(value, VALUE)),
                                        None => span.quiet { "sealed" },
                                    } }
                                }
                            }
                        }
                    }
                }
                @if shared.len() > SHARED { p.quiet { (shared.len() - SHARED) " more" } }
            }
        }
    }
}
