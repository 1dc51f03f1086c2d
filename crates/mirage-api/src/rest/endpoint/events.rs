//! `GET /api/events`

use axum::extract::State;
use axum::response::Response;
use futures_util::stream;
use http::HeaderMap;
use mirage_control::{Control, EventFeed, ServiceRef};
use mirage_core::{Code, DeploymentId, Error};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::Filter;
use crate::rest::stream::{Item, server_sent};
use crate::rest::wire::event::Event;

/// Which events.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only those about this service: id, name, or project/environment/name.
    service: Option<String>,
    /// Only those about this deployment.
    deployment: Option<String>,
    /// First those that follow this number, 0 for all; without it only new ones.
    #[param(value_type = Option<i64>)]
    after: Option<String>,
}

/// Listen to events
///
/// Server-sent events without an end. Each has its number as `id` and its type as `event`; a client
/// that lost its connection sends `Last-Event-ID` and misses none.
#[utoipa::path(
    get,
    path = "/api/events",
    tag = "platform",
    operation_id = "listenToEvents",
    params(Which, ("Last-Event-ID" = Option<i64>, Header, description = "Takes the place of `after`")),
    responses(
        (status = 200, description = "Events as they happen", body = Event, content_type = "text/event-stream"),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn events(
    State(control): State<Control>,
    Caller(actor): Caller,
    Filter(which): Filter<Which>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let service: Option<ServiceRef> =
        which.service.map(|text| text.parse().map_err(|error: Error| error.field("service"))).transpose()?;
    let deployment: Option<DeploymentId> = which
        .deployment
        .map(|text| text.parse().map_err(|error: Error| error.field("deployment")))
        .transpose()?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let after = last.or(which.after.as_deref()).map(number).transpose()?;
    let feed = control.events(&actor, service.as_ref(), deployment, after).await?;
    Ok(server_sent(stream::unfold(Some(feed), next)))
}

/// The next event; after an error the stream ends.
async fn next(feed: Option<EventFeed>) -> Option<(Result<Item<Event>, Problem>, Option<EventFeed>)> {
    let mut feed = feed?;
    match feed.next().await {
        Ok(event) => {
            let event = Event::from(event?);
            let item = Item { name: Some(event.name()), id: Some(event.number().to_string()), data: event };
            Some((Ok(item), Some(feed)))
        }
        Err(error) => Some((Err(error.into()), None)),
    }
}

fn number(text: &str) -> Result<i64, Error> {
    text.parse().map_err(|_| {
        Error::new(Code::InvalidRequest, "`after` is not the number of an event")
            .field("after")
            .hint("send the `id` of the last event you have, or 0 for all")
    })
}
