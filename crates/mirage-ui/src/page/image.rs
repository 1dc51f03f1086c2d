//! `/images/repository` and `/images/remove`: a repository of the built-in registry with all its tags, and taking them
//! away.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::{Markup, html};
use mirage_control::{Control, HeldName, KeptImage, Removal, ServicePath};
use mirage_core::port::HeldTag;
use mirage_core::{Code, Error, RegistryHost, Repository, Result, Tag, human_bytes};
use serde::Deserialize;

use super::Behind;
use super::images::used_by;
use crate::fault::{Fault, explained};
use crate::form::{Sent, again, form};
use crate::link;
use crate::shell::{Page, more, table};
use crate::visitor::Visitor;
use crate::when::short_digest;

/// Tags on a page.
const MOST: u32 = 50;
/// Services, and revisions, that are named before something is removed; there may be more.
const NAMED: usize = 50;

/// Which repository, and where its tags go on.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    name: String,
    after: Option<String>,
}

/// What is to go.
#[derive(Deserialize)]
pub(crate) struct Unwanted {
    name: String,
}

/// `GET /images/repository?name=acme/web`
pub(crate) async fn one(
    State(control): State<Control>,
    visitor: Visitor,
    Behind(wanted): Behind<Wanted>,
) -> Result<Html<String>, Fault> {
    let repository: Repository = wanted.name.parse()?;
    let after = wanted.after.map(|text| text.parse::<Tag>()).transpose()?;
    let view = control.repository(visitor.actor(), &repository, after.as_ref(), MOST).await?;
    let hosts: Vec<RegistryHost> = control.registry_hosts().into_iter().cloned().collect();
    let host = visitor.registry(&hosts).map(ToString::to_string).unwrap_or_default();
    let body = html! {
        h1 { (repository) }
        p { (view.tag_count) @if view.tag_count == 1 { " tag" } @else { " tags" } }
        (used_by(&view))
        @if view.tags.is_empty() { p.quiet { @if after.is_none() { "It has no tag." } @else { "No tag follows." } } } @else {
            (table("Tags", &["Tag", "Digest", "Size", "Deploy", "Remove"], html! {
                @for tag in &view.tags { tr { (cells(&repository, tag, &host)) } }
            }))
        }
        @if let Some(last) = view.tags.last().filter(|_| view.more) {
            (more(&format!("{}&after={}", link::repository(&repository), link::quoted(last.tag.as_str())), "More tags"))
        }
        section aria-labelledby="forget" {
            h2 #forget { "Remove" }
            p { a href=(link::removal(repository.as_str())) { "Remove the repository" } ", after a look at who uses it" }
        }
    };
    let crumbs = [("Images", "/images".to_owned())];
    let twin = [format!("mirage image tags {host}/{repository}")];
    let title = repository.to_string();
    Ok(Page { title: &title, visitor: Some(&visitor), crumbs: &crumbs, twin: &twin, body }.into_html())
}

/// `GET /images/remove?name=acme/web:2`: what it would mean
pub(crate) async fn ask(
    State(control): State<Control>,
    visitor: Visitor,
    Behind(unwanted): Behind<Unwanted>,
) -> Result<Html<String>, Fault> {
    let removal = control.image_removal(visitor.actor(), &control.held_name(&unwanted.name)?).await?;
    Ok(page(&visitor, &removal, None))
}

/// `POST /images/remove`
pub(crate) async fn remove(
    State(control): State<Control>,
    Sent { visitor, fields }: Sent,
) -> Result<Response, Fault> {
    let name = control.held_name(fields.text("name"))?;
    let removal = control.image_removal(visitor.actor(), &name).await?;
    if fields.text("used") != seen(&removal) {
        let what = format!("who uses `{name}` has changed since this page was made");
        let error = Error::new(Code::Conflict, what).hint("look at it again");
        return Ok(again(page(&visitor, &removal, Some(&error))));
    }
    match control.remove_images(visitor.actor(), &name, !removal.used_by.is_empty()).await {
        Ok(_) => Ok(Redirect::to(&left(&control, &visitor, &name).await).into_response()),
        // Somebody began to use it in this moment: the page says who.
        Err(error) if error.code() == Code::Conflict => {
            let removal = control.image_removal(visitor.actor(), &name).await?;
            Ok(again(page(&visitor, &removal, Some(&error))))
        }
        Err(error) => Err(error.into()),
    }
}

/// A tag in a row: itself, what it means, and what can be done with it.
pub(super) fn cells(repository: &Repository, tag: &HeldTag, host: &str) -> Markup {
    let name = format!("{repository}:{}", tag.tag);
    let whole = html! { span.sr { " " (repository) ":" (tag.tag) } };
    html! {
        td.mono { (tag.tag) }
        td { (short_digest(&tag.digest)) }
        td.number { @match tag.size_bytes {
            Some(bytes) => (human_bytes(bytes)),
            None => span.quiet { "not for this machine" },
        } }
        td {
            @if tag.size_bytes.is_some() {
                a href=(format!("/new?image={}", link::quoted(&format!("{host}/{name}")))) { "Deploy" (whole) }
            }
        }
        td { a href=(link::removal(&name)) { "Remove" (whole) } }
    }
}

/// Where somebody goes on who removed something: the repository, if it is still there.
async fn left(control: &Control, visitor: &Visitor, name: &HeldName) -> String {
    match control.repository(visitor.actor(), &name.repository, None, 1).await {
        Ok(_) => link::repository(&name.repository),
        Err(_) => "/images".to_owned(),
    }
}

/// Who uses it, as the form brings it back: only what somebody saw is confirmed.
fn seen(removal: &Removal) -> String {
    let mut users: Vec<String> = removal.used_by.iter().map(|path| path.id.to_string()).collect();
    users.sort_unstable();
    users.join(",")
}

fn page(visitor: &Visitor, removal: &Removal, error: Option<&Error>) -> Html<String> {
    let name = removal.name.to_string();
    let title = format!("Remove {name}");
    let is_used = !removal.used_by.is_empty();
    let origin = removal.name.repository.elsewhere().map(|(host, _)| host);
    let back = match &origin {
        Some(host) => format!("the next pull fetches it from {host} again"),
        None => "nobody can bring it back but by pushing it again".to_owned(),
    };
    let words = if is_used { "Remove it all the same" } else { "Remove" };
    let body = html! {
        h1 { (title) }
        @if let Some(error) = error { (explained(error)) }
        p { (goes(removal)) " What runs goes on, and " (back) "." }
        section aria-labelledby="users" {
            h2 #users { "Who uses it" }
            @if is_used {
                div.notice.warn {
                    @match &origin {
                        Some(host) => p { strong { "The next deploy of these services fetches it again." } " It needs " (host) " for that." },
                        None => p { strong { "The next deploy of these services finds no image." } " Give them another one first, or push it again." },
                    }
                }
                (services(&removal.used_by))
            } @else { p.quiet { "No service is set to it." } }
        }
        @if !removal.kept.is_empty() {
            section aria-labelledby="kept" {
                h2 #kept { "What can still be rolled back to" }
                p { "These revisions keep their bytes on this machine, as far as they were brought here:" }
                (revisions(&removal.kept))
            }
        }
        div.actions {
            (form(visitor, "/images/remove", "one", html! {
                input type="hidden" name="name" value=(name);
                @if is_used { input type="hidden" name="used" value=(seen(removal)); }
                button.danger type="submit" { (words) }
            }))
            a href=(link::repository(&removal.name.repository)) { "Keep it" }
        }
    };
    let repository = removal.name.repository.to_string();
    let crumbs =
        [("Images", "/images".to_owned()), (repository.as_str(), link::repository(&removal.name.repository))];
    let force = if is_used { " --force" } else { "" };
    let twin = [format!("mirage image remove {name}{force}")];
    Page { title: &title, visitor: Some(visitor), crumbs: &crumbs, twin: &twin, body }.into_html()
}

fn goes(removal: &Removal) -> String {
    let bytes = "bytes that nothing else needs are freed within a day or so.";
    match (&removal.name.tag, removal.manifests) {
        (None, _) => format!("The repository goes with all its tags, and {bytes}"),
        (Some(_), 0) => "The tag goes. Another tag means the same image, so that stays.".to_owned(),
        (Some(_), _) => format!("The tag goes with all that no other tag means, and {bytes}"),
    }
}

fn services(users: &[ServicePath]) -> Markup {
    html! {
        ul.list {
            @for path in users.iter().take(NAMED) {
                li { a.name href=(link::at(path)) { (path.name) } " " span.quiet { (path.project) "/" (path.environment) } }
            }
        }
        @if users.len() > NAMED { p.quiet { (users.len() - NAMED) " more" } }
    }
}

fn revisions(kept: &[KeptImage]) -> Markup {
    html! {
        ul.list {
            @for kept in kept.iter().take(NAMED) {
                li { a.name href=(link::at(&kept.path)) { (kept.path.name) } " revision " (kept.revision)
                    " " span.quiet { (kept.path.project) "/" (kept.path.environment) } }
            }
        }
        @if kept.len() > NAMED { p.quiet { (kept.len() - NAMED) " more" } }
    }
}
