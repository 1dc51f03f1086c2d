//! What can be done about a deployment.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use mirage_control::{Control, ServiceRef};
use mirage_core::{CredentialChange, Deployment, DeploymentId, Error, Phase, Result};

use super::{Shown, page};
use crate::fault::Fault;
use crate::form::{Sent, button, form, refused};
use crate::link;
use crate::page::At;
use crate::page::service::Tab;
use crate::page::service::advice::ADVICE;
use crate::visitor::Visitor;

/// How long an answer waits for the end of what was cancelled. The page shows the rest.
const CANCELLED_WITHIN: Duration = Duration::from_secs(2);

/// The buttons; what cannot be done says why.
pub(super) fn actions(shown: &Shown, visitor: &Visitor) -> Markup {
    let deployment = &shown.view.deployment;
    let path = link::deployment(deployment.id);
    let is_over = !deployment.phase.is_moving();
    let revision = deployment.revision;
    // What `redeploy` deploys.
    let current = shown.of.revision.as_ref().map(|revision| revision.number);
    let is_newer = shown.of.active.as_ref().is_some_and(|active| active.revision < revision);
    // What runs is older: to take it again is no way back.
    let words =
        if is_newer { format!("Deploy #{revision} again") } else { format!("Roll back to #{revision}") };
    let can_roll_back = is_over && !shown.runs() && shown.rollback.is_ok();
    html! {
        div.actions {
            @if !is_over { (button(visitor, &format!("{path}/cancel"), "Cancel")) }
            @if is_over && current == Some(revision) {
                (button(visitor, &format!("{path}/redeploy"), "Redeploy"))
            }
            @if is_over && !shown.runs() {
                @match &shown.rollback {
                    Ok(_) => (form(visitor, &format!("{path}/rollback"), "one", html! {
                        button type="submit" data-key="r" { (words) }
                    })),
                    Err(error) => (refused("no-rollback", &words, error.message())),
                }
            }
            @if deployment.phase == Phase::Failed { a href=(Tab::Settings.path(&shown.of)) { "Change settings" } }
            a href=(format!("{}#image", link::service(&shown.of))) data-key="d" { "Deploy another image" }
            // The key is on the button above, where there is one.
            a href=(Tab::Deployments.path(&shown.of)) data-key=[(!can_roll_back).then_some("r")] { "Deployments" }
            a href=(Tab::Logs.path(&shown.of)) data-key="l" { "Logs" }
        }
    }
}

/// `POST /deployments/{deployment}/redeploy`
pub(super) async fn redeploy(
    State(control): State<Control>,
    At(id): At<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    let id = id.parse::<DeploymentId>()?;
    let service = of(&control, &sent.visitor, id).await?;
    let begun = control.redeploy_of(sent.visitor.actor(), &service, id).await;
    answer(&control, &sent.visitor, id, begun).await
}

/// `POST /deployments/{deployment}/rollback`
pub(super) async fn rollback(
    State(control): State<Control>,
    At(id): At<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    let id = id.parse::<DeploymentId>()?;
    let service = of(&control, &sent.visitor, id).await?;
    let begun = control.rollback_to(sent.visitor.actor(), &service, id, CredentialChange::default()).await;
    answer(&control, &sent.visitor, id, begun).await
}

/// `POST /deployments/{deployment}/cancel`
pub(super) async fn cancel(
    State(control): State<Control>,
    At(id): At<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    let id = id.parse::<DeploymentId>()?;
    let (asked, actor) = (control.clone(), sent.visitor.actor().clone());
    let ending = tokio::spawn(async move { asked.cancel(&actor, id).await });
    let ended = match tokio::time::timeout(CANCELLED_WITHIN, ending).await {
        Ok(ended) => ended.map_err(|error| Error::internal("cancel the deployment", error))?,
        Err(_) => return Ok(Redirect::to(&link::deployment(id)).into_response()),
    };
    answer(&control, &sent.visitor, id, ended).await
}

async fn of(control: &Control, visitor: &Visitor, id: DeploymentId) -> Result<ServiceRef> {
    Ok(ServiceRef::Id(control.deployment(visitor.actor(), id).await?.deployment.service))
}

/// The page of what was begun, or this page with why it was not.
async fn answer(
    control: &Control,
    visitor: &Visitor,
    id: DeploymentId,
    begun: Result<Deployment>,
) -> Result<Response, Fault> {
    match begun {
        Ok(begun) => Ok(Redirect::to(&link::deployment(begun.id)).into_response()),
        Err(error) => page(control, visitor, id, None, Some(&ADVICE.told(error))).await,
    }
}
