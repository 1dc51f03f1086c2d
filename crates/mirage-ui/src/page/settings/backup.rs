//! `/settings/backup`: a copy of the platform, as a download.

use axum::body::Body;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use futures_util::StreamExt;
use http::{HeaderValue, header};
use maud::html;
use mirage_control::Control;
use mirage_core::{Error, Result};

use super::{framed, newest};
use crate::copy::copyable;
use crate::fault::{Advice, Fault, explained};
use crate::field::Field;
use crate::form::{Sent, again, form};
use crate::visitor::Visitor;
use crate::when::ago;

/// What a backup is.
pub(crate) const KIND: &str = "application/x-tar";

/// What this page has where hints name commands.
const HERE: Advice = Advice { fields: &[("--images", IMAGES)], instead: &[] };
/// The name of a box.
const IMAGES: &str = "Also the images of other registries";

/// `GET /settings/backup`
pub(crate) async fn show(State(control): State<Control>, visitor: Visitor) -> Result<Html<String>, Fault> {
    Ok(page(&control, &visitor, false, None).await?)
}

/// `POST /settings/backup`: the archive. It is whole only where the answer does not break off.
pub(crate) async fn make(
    State(control): State<Control>,
    Sent { visitor, fields }: Sent,
) -> Result<Response, Fault> {
    let with_images = fields.has("images");
    let backup = match control.backup(visitor.actor(), with_images).await {
        Ok(backup) => backup,
        Err(error) => {
            let error = HERE.told(error);
            return Ok(again(page(&control, &visitor, with_images, Some(&error)).await?));
        }
    };
    let pieces = backup.bytes.map(|piece| {
        piece.map_err(|error| {
            tracing::error!(?error, "pages: a backup breaks off");
            std::io::Error::other("the backup broke off")
        })
    });
    let mut response = Body::from_stream(pieces).into_response();
    let name =
        format!("attachment; filename=\"mirage-{}.backup\"", control.now().strftime("%Y-%m-%d-%H%M%S"));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(KIND));
    if let Ok(name) = HeaderValue::try_from(name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

async fn page(
    control: &Control,
    visitor: &Visitor,
    with_images: bool,
    error: Option<&Error>,
) -> Result<Html<String>> {
    let (last, now) = (newest(control, visitor, "backedUp").await?, control.now());
    let images = Field {
        name: "images",
        label: IMAGES,
        value: if with_images { "yes" } else { "" },
        help: "So that services start on another machine while those registries are gone.",
        ..Field::default()
    };
    let body = html! {
        section aria-labelledby="take" {
            h2 #take { "Take a backup" }
            p { "A file with projects, services, deployments, logins, variables, tokens, and all images of the built-in "
                "registry. The platform goes on meanwhile." }
            p { strong { "Not in it" } " are the key of the vault, so keep a copy of " code { "vault.key" }
                " in another place; volumes; logs; and the admin token. Variables that are not sealed can be read in it." }
            @if let Some(error) = error { (explained(error)) }
            @if let Some(event) = &last { p.quiet { "Last taken " (ago(event.time, now)) " by " (event.actor) "." } }
            (form(visitor, "/settings/backup", "stacked", html! {
                (images.tick())
                button.primary type="submit" { "Download a backup" }
            }))
        }
        section aria-labelledby="restore" {
            h2 #restore { "Bring it back" }
            p { "On a machine where no platform runs, with the key that belongs to the backup:" }
            p { (copyable("mirage restore mirage.backup --vault-key vault.key")) }
        }
    };
    Ok(framed(visitor, "Backup", &["mirage backup mirage.backup".to_owned()], &body))
}
