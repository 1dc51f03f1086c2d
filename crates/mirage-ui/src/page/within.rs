//! The pages of a service beside its first.

use axum::response::Html;
use maud::{Markup, html};
use mirage_control::{Control, ServiceRef, ServiceView};
use mirage_core::Result;

use crate::badge;
use crate::link;
use crate::shell::Page;
use crate::visitor::Visitor;

/// Project, environment and service, as an address names them.
pub(super) type Named = (String, String, String);

/// The service of an address.
pub(super) async fn service(control: &Control, visitor: &Visitor, named: Named) -> Result<ServiceView> {
    let (project, environment, name) = named;
    let wanted = ServiceRef::Path {
        project: project.parse()?,
        environment: environment.parse()?,
        name: name.parse()?,
    };
    control.service(visitor.actor(), &wanted).await
}

/// One of its pages.
pub(super) fn within(
    visitor: &Visitor,
    view: &ServiceView,
    what: &str,
    twin: &[String],
    body: Markup,
) -> Html<String> {
    let (project, environment) = (view.project.name.as_str(), view.environment.name.as_str());
    let crumbs = [
        ("Projects", "/projects".to_owned()),
        (project, format!("/projects/{project}")),
        (environment, link::environment(project, environment)),
        (view.service.name.as_str(), link::service(view)),
    ];
    let title = format!("{what} of {}", view.service.name);
    let state = badge::of_service(view);
    let body = html! {
        div class=(format!("banner {}", badge::class(state.meaning))) {
            h1 { (view.service.name) " " span.quiet { (what.to_lowercase()) } }
        }
        (body)
    };
    Page { title: &title, visitor: Some(visitor), crumbs: &crumbs, twin, body }.into_html()
}
