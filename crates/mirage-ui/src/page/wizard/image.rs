//! `/new/{draft}/image`: which image, and whether it can run here. The next step opens when it can be read.

use std::slice::from_ref;

use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use mirage_control::{Control, Draft, DraftFields, OLD_FORM};
use mirage_core::{DraftId, Error, Result};
use serde::Deserialize;

use super::login::{Shared, login, shared};
use super::look::{Seen, asked, look};
use super::parts::{parts, parts_shown, shows, whole, whole_shown};
use super::tags::{self, opener};
use super::typed::{By, LOGIN_SHOWN, parts_kept, take_image};
use super::verdict::{answer, known, verdict};
use super::{Step, page, step_form};
use crate::fault::Fault;
use crate::form::{Sent, button};
use crate::page::{At, Behind};
use crate::visitor::Visitor;
use crate::when::cut;

/// What was seen so long ago is believed when the next step is asked for.
const FRESH: SignedDuration = SignedDuration::from_secs(60);

/// Which part of the page was typed into.
#[derive(Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    by: String,
}

/// The step as it is shown.
pub(super) struct View {
    pub(super) id: DraftId,
    pub(super) fields: DraftFields,
    pub(super) seen: Option<Seen>,
    pub(super) shared: Vec<Shared>,
    /// What is wrong with the reference.
    pub(super) wrong: Option<Error>,
    /// What the form was refused for.
    refused: Option<Error>,
    pub(super) now: Timestamp,
}

/// `GET /new/{draft}/image`
pub(crate) async fn show(
    State(control): State<Control>,
    visitor: Visitor,
    At(id): At<String>,
) -> Result<Response, Fault> {
    let draft = control.draft(visitor.actor(), id.parse()?).await?;
    Ok(View::of(&control, &visitor, draft, None).await?.page(&visitor))
}

/// `POST /new/{draft}/image`: check the image, or go on.
pub(crate) async fn send(
    State(control): State<Control>,
    At(id): At<String>,
    Sent { visitor, fields }: Sent,
) -> Result<Response, Fault> {
    let take = |kept: &mut DraftFields| {
        take_image(kept, &fields, By::Button);
        tags::take(kept, &fields);
        Ok(())
    };
    let draft = control.keep_draft(visitor.actor(), id.parse()?, take).await?;
    if let Some(step) = Step::gone_to(&fields) {
        return Ok(Redirect::to(&step.path(draft.id)).into_response());
    }
    let goes_on = fields.text("then") == "next";
    let is_fresh = |seen: &Seen| seen.refusal().is_none() && control.now().duration_since(seen.at) < FRESH;
    let looked = match Seen::of(&draft.fields).is_some_and(|seen| goes_on && is_fresh(&seen)) {
        true => Ok(draft.clone()),
        false => look(&control, &visitor, &draft).await,
    };
    let (draft, refusal) = match looked {
        Ok(draft) => {
            let refusal = Seen::of(&draft.fields).and_then(|seen| seen.refusal()).filter(|_| goes_on);
            (draft, refusal)
        }
        Err(error) => (draft, Some(error)),
    };
    if refusal.is_some() {
        return Ok(View::of(&control, &visitor, draft, refusal).await?.page(&visitor));
    }
    let next = if goes_on { Step::Settings } else { Step::Image };
    Ok(Redirect::to(&next.path(draft.id)).into_response())
}

/// `POST /new/{draft}/verdict`: keeps what is typed, and answers with what changes on the page.
pub(crate) async fn typed(
    State(control): State<Control>,
    At(id): At<String>,
    Behind(typed): Behind<Typed>,
    Sent { visitor, fields }: Sent,
) -> Result<Html<String>, Fault> {
    let by = By::of(&typed.by);
    let take = |kept: &mut DraftFields| {
        take_image(kept, &fields, by);
        Ok(())
    };
    let draft = control.keep_draft(visitor.actor(), id.parse()?, take).await?;
    let draft = match asked(&draft.fields) {
        // Whoever may only look is told so when a button is pressed.
        Ok(_) => match look(&control, &visitor, &draft).await {
            Err(error) if error.message() == OLD_FORM => draft,
            looked => looked?,
        },
        Err(_) => draft,
    };
    let view = View::of(&control, &visitor, draft, None).await?;
    let wants_login = view.seen.as_ref().is_some_and(Seen::wants_login);
    let is_elsewhere = parts_kept(&view.fields).registry != fields.text(LOGIN_SHOWN);
    // What is being typed into stays as it is, but for a password that is beside another registry.
    let parts_of_page = html! {
        (answer(&view))
        @if by == By::Parts { (whole(&view, true)) (parts_shown(&view, true)) }
        @if by == By::Whole { (whole_shown(&view, true)) (parts(&view, true)) }
        @if by == By::Whole || by == By::Parts { (opener(&view, true)) }
        @if is_elsewhere || (by != By::Login && (wants_login || by == By::Whole)) { (login(&view, true)) }
        (choice(&view, true))
        (known(&view, true))
        (next(&view, true))
    };
    Ok(Html(parts_of_page.into_string()))
}

impl View {
    async fn of(control: &Control, visitor: &Visitor, draft: Draft, refused: Option<Error>) -> Result<Self> {
        let Draft { id, fields, .. } = draft;
        let wrong = asked(&fields).err();
        let or = |field: &str, usual: &'static str| match fields.get(field) {
            "" => usual.to_owned(),
            text => text.to_owned(),
        };
        let place = (or("project", "default"), or("environment", "production"));
        let host = parts_kept(&fields).registry;
        let shared = shared(control, visitor, &host, (&place.0, &place.1)).await?;
        let seen = Seen::of(&fields);
        Ok(Self { id, seen, shared, wrong, refused, now: control.now(), fields })
    }

    /// What is wrong, for the fields.
    pub(super) fn error(&self) -> Option<&Error> {
        self.refused.as_ref().or(self.wrong.as_ref().filter(|_| !self.is_empty()))
    }

    /// Whether nothing was typed yet.
    pub(super) fn is_empty(&self) -> bool {
        self.fields.get("image").is_empty()
    }

    /// Where what is typed goes.
    pub(super) fn verdict(&self, by: &str) -> String {
        format!("/new/{}/verdict?by={by}", self.id)
    }

    fn page(&self, visitor: &Visitor) -> Response {
        let path = Step::Image.path(self.id);
        let inner = html! {
            div.ask {
                (whole(self, false))
                button type="submit" name="then" value="check" formnovalidate { "Check image" }
            }
            (verdict(self))
            (login(self, false))
            (parts(self, false))
            (opener(self, false))
            (choice(self, false))
            (known(self, false))
            (next(self, false))
        };
        let body = html! {
            (step_form(visitor, &path, inner))
            div.leave-off { (button(visitor, &format!("/new/{}/drop", self.id), "Discard this draft")) }
        };
        let image = if self.is_empty() { "nginx:1.27" } else { self.fields.get("image") };
        let twin = match asked(&self.fields) {
            Ok(reference) => vec![format!("mirage inspect {}", reference.familiar())],
            Err(_) if self.is_empty() => vec![format!("mirage inspect {image}")],
            Err(_) => vec!["mirage inspect REF".to_owned()],
        };
        // What a field or the verdict shows is not said twice.
        let told = self.refused.as_ref().filter(|error| !shows(error));
        let response =
            page(visitor, Step::Image, Some(self.id), &twin, told.map(from_ref).unwrap_or_default(), body);
        match &self.refused {
            Some(_) => (http::StatusCode::UNPROCESSABLE_ENTITY, response).into_response(),
            None => response,
        }
    }
}

/// Whether a tag is followed or a digest pinned, once there is one.
fn choice(view: &View, part_of_answer: bool) -> Markup {
    let found = view.seen.as_ref().and_then(Seen::found);
    let pinned = view.fields.get("follow") == "digest";
    let tag = parts_kept(&view.fields).tag;
    let tag = if tag.is_empty() { "latest" } else { &tag };
    html! {
        fieldset.choice #choice hx-swap-oob=[part_of_answer.then_some("true")] hidden[found.is_none()]
            hx-post=(format!("/new/{}/keep", view.id)) hx-trigger="change" hx-include="closest form" hx-swap="none" {
            legend { "Latest or exactly this" }
            div.field.tick {
                input #follow-tag type="radio" name="follow" value="tag" checked[!pinned];
                label for="follow-tag" { "Follow the tag " code { (cut(tag, 128)) } }
                p.help { "Each deploy takes what the tag means then." }
            }
            div.field.tick {
                input #follow-digest type="radio" name="follow" value="digest" checked[pinned];
                label for="follow-digest" {
                    "Pin this digest"
                    @if let Some(found) = found { " " code { (found.digest.short()) } }
                }
                p.help { "Each deploy takes exactly this image, whatever becomes of the tag." }
            }
        }
    }
}

/// The way on, or why it is closed.
fn next(view: &View, part_of_answer: bool) -> Markup {
    let closed = match (&view.wrong, &view.seen) {
        _ if view.is_empty() => Some("There is no image yet."),
        (Some(_), _) => Some("The image is not written as a reference."),
        (None, None) => Some("The image was not checked yet."),
        (None, Some(seen)) if seen.wants_login() => Some("The registry wants a login first."),
        (None, Some(seen)) if seen.found().is_none() => Some("The image could not be read."),
        (None, Some(seen)) if seen.refusal().is_some() => Some("The image cannot run here."),
        _ => None,
    };
    html! {
        div.actions #next hx-swap-oob=[part_of_answer.then_some("true")] {
            button.primary type="submit" name="then" value="next" disabled[closed.is_some()]
                aria-describedby=[closed.map(|_| "closed")] { "Next: settings" }
            @if let Some(why) = closed { p.quiet #closed { (why) } }
        }
    }
}
