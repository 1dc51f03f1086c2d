//! Saving settings of a service: with a deployment, or for the next one.

use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use maud::{Markup, html};
use mirage_control::{Control, ServicePatch, ServiceRef, ServiceView};
use mirage_core::{Code, Error, Result};

use super::Tab;
use crate::form::{Fields, Sent};
use crate::link;

/// The field that says for which version of the settings a form was made.
const SEEN: &str = "seen";
/// The field of the button that was pressed.
const DO: &str = "do";
/// The value of the button that does not deploy.
const LATER: &str = "save";

/// The buttons of a form with settings, and what it has to carry.
pub(super) fn buttons(view: &ServiceView) -> Markup {
    html! {
        input type="hidden" name=(SEEN) value=(view.service.updated_at);
        div.actions {
            button.primary type="submit" name=(DO) value="deploy" { "Save and deploy" }
            button type="submit" name=(DO) value=(LATER) { "Save for the next deploy" }
        }
        p.quiet { "A deploy asks the registry again what the image's tag means. What serves now serves until the new instances are well." }
    }
}

/// The version of the settings that a form was made for.
///
/// # Errors
/// `INVALID_REQUEST` where the form does not say.
pub(super) fn seen(fields: &Fields) -> Result<Timestamp> {
    fields.text(SEEN).parse().map_err(|_| {
        Error::new(Code::InvalidRequest, "the form does not say which settings it was made for")
            .hint("load the page anew")
    })
}

/// Does what the button says, and leads to what comes of it.
pub(super) async fn save(
    control: &Control,
    sent: &Sent,
    view: &ServiceView,
    tab: Tab,
    patch: ServicePatch,
) -> Result<Response> {
    let (actor, wanted) = (sent.visitor.actor(), ServiceRef::Id(view.service.id));
    let patch = ServicePatch { seen: Some(seen(&sent.fields)?), ..patch };
    let to = if sent.fields.text(DO) == LATER {
        control.update(actor, &wanted, patch).await?;
        tab.path(view)
    } else {
        link::deployment(control.deploy(actor, &wanted, patch).await?.id)
    };
    Ok(Redirect::to(&to).into_response())
}
