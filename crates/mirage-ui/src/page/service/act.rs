//! What can be done about a service at once.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use mirage_control::{Control, ServicePatch, ServiceRef, ServiceView};
use mirage_core::{Code, CredentialChange, Deployment, Error, Reference, Result, tellable};

use super::advice::ADVICE;
use super::overview::{Typed, page};
use super::{at_field, named};
use crate::fault::Fault;
use crate::form::{Sent, of_button};
use crate::link;
use crate::page::At;

/// What the address of a service has in it.
type Place = At<(String, String, String)>;

/// `POST …/deploy`: this image
pub(super) async fn deploy(
    State(control): State<Control>,
    At(place): Place,
    sent: Sent,
) -> Result<Response, Fault> {
    let view = named(&control, &sent.visitor, place).await?;
    let text = sent.fields.text("image");
    let begun = async {
        let patch = ServicePatch { image: Some(text.parse::<Reference>()?), ..ServicePatch::default() };
        control.deploy(sent.visitor.actor(), &by_id(&view), patch).await
    };
    // Whatever is wrong is wrong with the image: nothing else was said.
    let begun = begun.await.map_err(|error| at_field(error, "image"));
    let image = tellable(text);
    let typed = Typed { image: Some(&image), ..Typed::default() };
    answer(&control, &sent, &view, begun, typed).await
}

/// `POST …/redeploy`
pub(super) async fn redeploy(
    State(control): State<Control>,
    At(place): Place,
    sent: Sent,
) -> Result<Response, Fault> {
    let view = named(&control, &sent.visitor, place).await?;
    let begun = control.redeploy(sent.visitor.actor(), &by_id(&view)).await.map_err(of_button);
    answer(&control, &sent, &view, begun, Typed::default()).await
}

/// `POST …/rollback`: to the revision that the button named
pub(super) async fn rollback(
    State(control): State<Control>,
    At(place): Place,
    sent: Sent,
) -> Result<Response, Fault> {
    let view = named(&control, &sent.visitor, place).await?;
    let begun = async {
        let revision = sent.fields.text("revision").parse::<u32>().map_err(|_| {
            Error::new(Code::InvalidRequest, "the form does not say to which revision")
                .hint("load the page anew")
        })?;
        let (actor, wanted) = (sent.visitor.actor(), by_id(&view));
        control.rollback(actor, &wanted, Some(revision), CredentialChange::default()).await
    };
    let begun = begun.await.map_err(of_button);
    answer(&control, &sent, &view, begun, Typed::default()).await
}

/// `POST …/keep`: sets this image and deploys nothing
pub(super) async fn keep(
    State(control): State<Control>,
    At(place): Place,
    sent: Sent,
) -> Result<Response, Fault> {
    let view = named(&control, &sent.visitor, place).await?;
    let kept = async {
        let image = sent.fields.text("image").parse::<Reference>()?;
        let patch = ServicePatch { image: Some(image), ..ServicePatch::default() };
        control.update(sent.visitor.actor(), &by_id(&view), patch).await
    };
    match kept.await {
        Ok(_) => Ok(Redirect::to(&link::service(&view)).into_response()),
        Err(error) => answer(&control, &sent, &view, Err(error), Typed::default()).await,
    }
}

/// `POST …/restart`
pub(super) async fn restart(
    State(control): State<Control>,
    At(place): Place,
    sent: Sent,
) -> Result<Response, Fault> {
    let view = named(&control, &sent.visitor, place).await?;
    match control.restart(sent.visitor.actor(), &by_id(&view)).await {
        Ok(_) => Ok(Redirect::to(&link::service(&view)).into_response()),
        Err(error) => {
            let typed = Typed { error: Some(&of_button(error)), ..Typed::default() };
            page(&control, &sent.visitor, &view, &typed).await
        }
    }
}

/// `POST …/scale`: to this many instances
pub(super) async fn scale(
    State(control): State<Control>,
    At(place): Place,
    sent: Sent,
) -> Result<Response, Fault> {
    let view = named(&control, &sent.visitor, place).await?;
    let typed = sent.fields.text("replicas");
    let scaled = async {
        let replicas = typed.parse::<u32>().map_err(|_| {
            Error::new(Code::InvalidRequest, "the number of instances is not a whole number")
                .hint("write `1`, or `0` to stop it")
        })?;
        let patch = ServicePatch { replicas: Some(replicas), ..ServicePatch::default() };
        control.update(sent.visitor.actor(), &by_id(&view), patch).await
    };
    match scaled.await {
        Ok(_) => Ok(Redirect::to(&link::service(&view)).into_response()),
        Err(error) => {
            let error = at_field(error, "replicas");
            let typed = Typed { replicas: Some(typed), error: Some(&error), ..Typed::default() };
            page(&control, &sent.visitor, &view, &typed).await
        }
    }
}

fn by_id(view: &ServiceView) -> ServiceRef {
    ServiceRef::Id(view.service.id)
}

/// The page of what was begun, or the page of the service with why it was not.
async fn answer(
    control: &Control,
    sent: &Sent,
    view: &ServiceView,
    begun: Result<Deployment>,
    typed: Typed<'_>,
) -> Result<Response, Fault> {
    match begun {
        Ok(begun) => Ok(Redirect::to(&link::deployment(begun.id)).into_response()),
        Err(error) => {
            let error = ADVICE.told(error);
            page(control, &sent.visitor, view, &Typed { error: Some(&error), ..typed }).await
        }
    }
}
