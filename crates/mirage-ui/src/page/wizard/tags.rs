//! `/new/{draft}/tags`: the tags of the repository that the image is in. Each is a button that takes it.

use std::slice::from_ref;

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use http::HeaderMap;
use maud::{Markup, html};
use mirage_control::{Control, Draft, DraftFields, TagQuery};
use mirage_core::{Result, TagListing};

use super::image::View;
use super::look::{asked, credentials};
use super::typed::{parts_kept, set_parts};
use super::{Step, page, step_form};
use crate::fault::{Fault, explained};
use crate::form::Fields;
use crate::page::At;
use crate::visitor::Visitor;
use crate::when::cut;

/// Tags that are shown.
const MANY: usize = 100;
/// The name of the buttons.
const TAKEN: &str = "tagged";

/// `GET /new/{draft}/tags`: as a page, or for script as the list alone.
pub(crate) async fn list(
    State(control): State<Control>,
    visitor: Visitor,
    headers: HeaderMap,
    At(id): At<String>,
) -> Result<Response, Fault> {
    let draft = control.draft(visitor.actor(), id.parse()?).await?;
    let listing = read(&control, &visitor, &draft).await;
    if headers.contains_key("hx-request") {
        let list = match &listing {
            Ok(listing) => buttons(listing),
            Err(error) => explained(error),
        };
        return Ok(Html(list.into_string()).into_response());
    }
    let path = Step::Image.path(draft.id);
    let body = html! {
        (step_form(&visitor, &path, html! { @if let Ok(listing) = &listing { (buttons(listing)) } }))
        div.leave-off { a.button href=(path) { "Back to the image" } }
    };
    let name = asked(&draft.fields).map_or("REF".to_owned(), |reference| reference.familiar());
    let twin = [format!("mirage inspect {name}")];
    let errors = listing.as_ref().err().map(from_ref).unwrap_or_default();
    Ok(page(&visitor, Step::Image, Some(draft.id), &twin, errors, body))
}

/// Takes the tag whose button was pressed, if one was.
pub(super) fn take(fields: &mut DraftFields, sent: &Fields) {
    let tag = sent.text(TAKEN);
    if !tag.is_empty() {
        let mut parts = parts_kept(fields);
        (parts.tag, parts.digest) = (tag.to_owned(), String::new());
        set_parts(fields, &parts);
        fields.set("image", parts.joined());
        fields.set("follow", "tag");
    }
}

/// The place of the list on the page of the image. It is fetched when it is opened.
pub(super) fn opener(view: &View, part_of_answer: bool) -> Markup {
    let path = format!("/new/{}/tags", view.id);
    html! {
        details.tags #tags hidden[view.wrong.is_some()] hx-swap-oob=[part_of_answer.then_some("true")]
            hx-get=(path) hx-trigger="toggle once" hx-target="#tag-list" {
            summary { "Tags of this repository" }
            div #tag-list { p { a href=(path) { "List them" } } }
        }
    }
}

async fn read(control: &Control, visitor: &Visitor, draft: &Draft) -> Result<TagListing> {
    let name = |field: &str| draft.fields.get(field).parse().ok();
    let query = TagQuery {
        reference: asked(&draft.fields)?,
        credentials: credentials(&draft.fields),
        project: name("project"),
        environment: name("environment"),
    };
    control.tags(visitor.actor(), query).await
}

fn buttons(listing: &TagListing) -> Markup {
    let rest = listing.tags.len().saturating_sub(MANY);
    html! {
        @if listing.tags.is_empty() { p.quiet { "The repository has no tags." } }
        div.tag-list {
            @for tag in listing.tags.iter().take(MANY) {
                button type="submit" name=(TAKEN) value=(tag) formnovalidate { (cut(tag.as_str(), 128)) }
            }
        }
        @if rest > 0 || listing.more {
            p.quiet { "The newest versions first; there are more than are shown." }
        }
    }
}
