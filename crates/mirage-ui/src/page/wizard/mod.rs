//! `/new`: the way from an image to a service, in steps that are addresses. What is typed is kept in a draft, so each
//! step can be left, loaded anew and come back to; only the last one makes anything.

mod advice;
mod image;
mod login;
mod look;
mod parts;
mod pasted;
mod reading;
mod request;
mod review;
mod settings;
mod source;
mod tags;
mod twin;
mod typed;
mod variables;
mod verdict;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use maud::{Markup, html};
use mirage_control::Control;
use mirage_core::{DraftId, Error};

use crate::form::{Fields, token};
use crate::link;
use crate::page::reading::overview;
use crate::shell::Page;
use crate::visitor::Visitor;

/// The addresses of the wizard.
pub(crate) fn routes() -> Router<Control> {
    Router::new()
        .route("/new", get(source::ask).post(source::begin))
        .route("/new/source", get(source::repository))
        .route("/new/{draft}/image", get(image::show).post(image::send))
        .route("/new/{draft}/verdict", post(image::typed))
        .route("/new/{draft}/tags", get(tags::list))
        .route("/new/{draft}/settings", get(settings::show).post(settings::send))
        .route("/new/{draft}/keep", post(settings::keep))
        .route("/new/{draft}/review", get(review::show).post(review::send))
        .route("/new/{draft}/drop", post(review::discard))
}

/// The deployment that the draft of this address became, as an address.
pub(crate) async fn became(control: &Control, visitor: &Visitor, path: &str) -> Option<String> {
    let id = path.strip_prefix("/new/")?.split('/').next()?.parse().ok()?;
    let deployment = control.became(visitor.actor(), id).await.ok()??;
    Some(link::deployment(deployment))
}

/// The steps in their order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Source,
    Image,
    Settings,
    Review,
}

impl Step {
    const ALL: [Self; 4] = [Self::Source, Self::Image, Self::Settings, Self::Review];

    /// What people call it.
    fn words(self) -> &'static str {
        match self {
            Self::Source => "Source",
            Self::Image => "Image",
            Self::Settings => "Settings",
            Self::Review => "Review",
        }
    }

    /// What a button says that leads to it.
    fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Image => "image",
            Self::Settings => "settings",
            Self::Review => "review",
        }
    }

    /// The step that a button leads to, whatever is typed.
    fn gone_to(sent: &Fields) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.word() == sent.text("then"))
    }

    /// Its address.
    fn path(self, draft: DraftId) -> String {
        match self {
            Self::Source => "/new".to_owned(),
            Self::Image => format!("/new/{draft}/image"),
            Self::Settings => format!("/new/{draft}/settings"),
            Self::Review => format!("/new/{draft}/review"),
        }
    }

    /// The step with the field that an error is about.
    fn of(error: &Error) -> Self {
        let code = error.code().as_str();
        let of_image = ["IMAGE", "REGISTRY", "CREDENTIAL", "NO_MATCHING", "INVALID_IMAGE"];
        match error.at_field() {
            Some(field) if field.starts_with("image") || field.starts_with("registryCredentials") => {
                Self::Image
            }
            Some(_) => Self::Settings,
            None if of_image.iter().any(|start| code.starts_with(start)) => Self::Image,
            None => Self::Settings,
        }
    }
}

/// A step as a page: `body` is what is below its name. With an error the form comes back.
fn page(
    visitor: &Visitor,
    step: Step,
    draft: Option<DraftId>,
    twin: &[String],
    errors: &[Error],
    body: Markup,
) -> Response {
    let body = html! {
        h1 { "New service" }
        (way(step, draft))
        // What is about a field stands there too; whoever cannot see it hears it here first.
        (overview(errors))
        (body)
    };
    let title = format!("New service: {}", step.words().to_lowercase());
    let crumbs = [("Projects", "/projects".to_owned())];
    let html = Page { title: &title, visitor: Some(visitor), crumbs: &crumbs, twin, body }.into_html();
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    (status, html).into_response()
}

/// The id of the form of a step that keeps what is typed.
const FORM: &str = "step";

/// Where somebody is among the steps. Each that a draft has can be gone to; a step with a form is left by sending it,
/// so that nothing that was typed is lost.
fn way(current: Step, draft: Option<DraftId>) -> Markup {
    let keeps = matches!(current, Step::Image | Step::Settings);
    html! {
        // What the Enter key presses is the first button of a form.
        @match current {
            Step::Image => (first("check", "Check image", true)),
            Step::Settings => (first("next", "Next: review", false)),
            Step::Source | Step::Review => {},
        }
        nav.way aria-label="Steps" {
            ol {
                @for step in Step::ALL {
                    li {
                        @match draft.filter(|_| step != current) {
                            Some(_) if keeps => button type="submit" form=(FORM) name="then" value=(step.word())
                                formnovalidate { (step.words()) },
                            Some(draft) => a href=(step.path(draft)) { (step.words()) },
                            None => span aria-current=[(step == current).then_some("step")] { (step.words()) },
                        }
                    }
                }
            }
        }
    }
}

/// The form of a step.
fn step_form(visitor: &Visitor, action: &str, body: Markup) -> Markup {
    html! {
        form.wizard id=(FORM) method="post" action=(action) { (token(visitor)) (body) }
    }
}

fn first(value: &str, words: &str, anyhow: bool) -> Markup {
    html! {
        button.sr type="submit" form=(FORM) name="then" value=(value) tabindex="-1" aria-hidden="true"
            formnovalidate[anyhow] { (words) }
    }
}
