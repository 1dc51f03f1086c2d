//! `/` and `/projects`: what projects there are.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::{Markup, html};
use mirage_control::{Control, ProjectView};

use super::{Asked, after};
use crate::fault::Fault;
use crate::link;
use crate::shell::{Page, more};
use crate::visitor::Visitor;

/// Projects on a page.
const MOST: u32 = 50;
/// Environments that a project's row names.
const NAMED: usize = 8;

/// `GET /`: the project, where there is one, else all of them
pub(crate) async fn first(State(control): State<Control>, visitor: Visitor) -> Result<Response, Fault> {
    let listing = control.projects(visitor.actor(), None, 1).await?;
    let path = match listing.items.as_slice() {
        [only] if !listing.more => format!("/projects/{}", only.project.name),
        _ => "/projects".to_owned(),
    };
    Ok(Redirect::to(&path).into_response())
}

/// `GET /projects`
pub(crate) async fn list(
    State(control): State<Control>,
    visitor: Visitor,
    asked: Asked,
) -> Result<Html<String>, Fault> {
    let after = after(asked, |text| text.parse().ok())?;
    let listing = control.projects(visitor.actor(), after.as_ref(), MOST).await?;
    let body = html! {
        h1 { "Projects" }
        @if listing.items.is_empty() && after.is_none() { (empty()) } @else {
            ul.list { @for view in &listing.items { li { (row(view)) } } }
        }
        @if let Some(last) = listing.items.last().filter(|_| listing.more) {
            (more(&format!("/projects?after={}", last.project.name), "More projects"))
        }
    };
    let twin = ["mirage services".to_owned()];
    Ok(Page { title: "Projects", visitor: Some(&visitor), crumbs: &[], twin: &twin, body }.into_html())
}

fn row(view: &ProjectView) -> Markup {
    let name = view.project.name.as_str();
    let rest = view.environments.len().saturating_sub(NAMED);
    html! {
        a.name href=(format!("/projects/{name}")) { (name) }
        @for environment in view.environments.iter().take(NAMED) {
            " " a.quiet href=(link::environment(name, environment.name.as_str())) { (environment.name) }
        }
        @if rest > 0 { " " span.quiet { "and " (rest) " more" } }
    }
}

fn empty() -> Markup {
    html! {
        div.empty {
            p { strong { "There are no projects yet." } }
            p {
                "The first service makes one. " a href="/new" { "Deploy an image" } ", or in a terminal: "
                code { "mirage deploy nginx:1.27" }
            }
        }
    }
}
