//! `/images`: what the built-in registry holds, and who uses it.

use axum::extract::State;
use axum::response::Html;
use maud::{Markup, html};
use mirage_control::{Control, RepositoryView};
use mirage_core::RegistryHost;

use super::image;
use super::{Asked, after};
use crate::copy::copyable;
use crate::fault::Fault;
use crate::link;
use crate::shell::{Page, more};
use crate::visitor::Visitor;

/// Repositories on a page.
const MOST: u32 = 13;
/// Tags of a repository that are shown; it may have more.
const TAGS: usize = 5;
/// Services that are named; more may use a repository.
const NAMED: usize = 3;

/// `GET /images`
pub(crate) async fn list(
    State(control): State<Control>,
    visitor: Visitor,
    asked: Asked,
) -> Result<Html<String>, Fault> {
    let after = after(asked, |text| text.parse().ok())?;
    let listing = control.repositories(visitor.actor(), after.as_ref(), MOST).await?;
    let hosts: Vec<RegistryHost> = control.registry_hosts().into_iter().cloned().collect();
    let host = visitor.registry(&hosts).map(ToString::to_string).unwrap_or_default();
    let body = html! {
        h1 { "Images" }
        @if listing.items.is_empty() && after.is_none() {
            div.empty {
                p { strong { "The built-in registry is empty." } }
                p { "Images that are pushed here, or loaded from a file, are listed with their tags and who uses them. Push one:" }
                (pushing(&host))
            }
        } @else {
            div.scroll role="group" aria-label="Images" tabindex="0" {
                table.images {
                    thead {
                        tr {
                            th scope="col" { "Repository" } th scope="col" { "Tag" } th scope="col" { "Digest" }
                            th scope="col" { "Size" } th scope="col" { "Deploy" } th scope="col" { "Remove" }
                        }
                    }
                    @for view in &listing.items { tbody { (rows(view, &host)) } }
                }
            }
        }
        @if let Some(last) = listing.items.last().filter(|_| listing.more) {
            (more(&format!("/images?after={}", link::quoted(last.repository.as_str())), "More repositories"))
        }
        @if !listing.items.is_empty() {
            section aria-labelledby="push" {
                h2 #push { "Push an image" }
                (pushing(&host))
            }
        }
    };
    let twin = ["mirage image list".to_owned()];
    Ok(Page { title: "Images", visitor: Some(&visitor), crumbs: &[], twin: &twin, body }.into_html())
}

/// The rows of a repository, one for each of its first tags.
fn rows(view: &RepositoryView, host: &str) -> Markup {
    let shown = view.tags.len().min(TAGS);
    let rest = view.tag_count.saturating_sub(shown);
    let height = shown.max(1) + usize::from(rest > 0 && shown > 0);
    let path = link::repository(&view.repository);
    let name = html! {
        th scope="rowgroup" rowspan=(height) { a href=(path) { (view.repository) } (used_by(view)) }
    };
    html! {
        @if shown == 0 { tr { (name) td.quiet colspan="5" { "no tag" } } }
        @for (at, tag) in view.tags.iter().take(TAGS).enumerate() {
            tr { @if at == 0 { (name) } (image::cells(&view.repository, tag, host)) }
        }
        @if rest > 0 && shown > 0 {
            tr { td.quiet colspan="5" { a href=(path) { (rest) " more" span.sr { " tags of " (view.repository) } } } }
        }
    }
}

/// Who uses it.
pub(super) fn used_by(view: &RepositoryView) -> Markup {
    let rest = view.used_by.len().saturating_sub(NAMED);
    html! {
        div.quiet {
            @if view.used_by.is_empty() { "used by no service" } @else { "used by " }
            @for (at, path) in view.used_by.iter().take(NAMED).enumerate() {
                @if at > 0 { ", " }
                a href=(link::at(path)) { (path.name) }
            }
            @if rest > 0 { " and " (rest) " more" }
        }
    }
}

/// How an image gets here.
fn pushing(host: &str) -> Markup {
    html! {
        ol.push {
            li { "Log in, with " a href="/settings/tokens?push=yes" { "a token of the project" } " as the password: "
                (copyable(format!("docker login {host} --username ci"))) }
            li { "Name the image, first the project: " (copyable(format!("docker tag web:1 {host}/default/web:1"))) }
            li { "Push it: " (copyable(format!("docker push {host}/default/web:1"))) }
        }
        p { "From a file of " code { "docker save" } ": " (copyable("mirage image load web.tar")) }
    }
}
