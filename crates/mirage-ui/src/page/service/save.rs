//! Saving settings of a service: with a deployment, or for the next one.

use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use maud::{Markup, html};
use mirage_control::{Control, ServicePatch, ServiceRef, ServiceView};
use mirage_core::{Code, Error, Result};

use super::Tab;
use crate::form::{Fields, Sent};
use crate::link;
use crate::when::exact;

/// The field that says for which version of the settings a form was made.
const SEEN: &str = "seen";
/// The field of the button that was pressed.
const DO: &str = "do";
/// The value of the button that does not deploy.
const LATER: &str = "save";

/// For which version of the settings a form is made.
pub(super) struct Made {
    seen: String,
    /// Whether whoever sent the form had seen another one, and is told.
    is_told: bool,
}

impl Made {
    /// A form of a page that is loaded.
    pub(super) fn now(view: &ServiceView) -> Self {
        Self { seen: view.service.updated_at.to_string(), is_told: false }
    }

    /// A form that comes back with an error. It stays one for the version that was seen, or what was changed since
    /// would be lost without a word; only with the conflict that says so it is for the newest one.
    pub(super) fn again(view: &ServiceView, fields: &Fields, error: &Error) -> Self {
        match seen(fields) {
            Ok(seen) if error.code() == Code::Conflict && seen != view.service.updated_at => {
                Self { is_told: true, ..Self::now(view) }
            }
            Ok(seen) => Self { seen: seen.to_string(), is_told: false },
            // It is refused again: nobody knows what its sender has seen.
            Err(_) => Self { seen: String::new(), is_told: false },
        }
    }
}

/// The buttons of a form with settings, and what it has to carry.
pub(super) fn buttons(view: &ServiceView, tab: Tab, made: &Made) -> Markup {
    html! {
        input type="hidden" name=(SEEN) value=(made.seen);
        @if made.is_told {
            div.notice.warn {
                p {
                    strong { "Somebody changed " (view.service.name) " at " (exact(view.service.updated_at)) ", after your form was made." }
                    " What you typed is not saved. To save it now may replace what they changed; "
                    a href=(tab.path(view)) { "look at it as it is" } " first."
                }
            }
        }
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
