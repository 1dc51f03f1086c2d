//! `GET /api/events`: the event log

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::HeaderMap;
use mirage_control::{Control, EventFeed, EventSearch};
use mirage_core::{Code, Error};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::{Filter, flag, limit, time};
use crate::rest::stream::{Item, NDJSON, accepts, lines, server_sent};
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
    /// Only those of this kind: the `type` of an event, such as `serviceScaled`.
    kind: Option<String>,
    /// Only what this one did: `admin`, `mirage` for the platform itself, or a project's token as `project/name`.
    actor: Option<String>,
    /// Only those at or after this time (RFC 3339).
    #[param(format = DateTime)]
    since: Option<String>,
    /// Only those before this time (RFC 3339).
    #[param(format = DateTime)]
    until: Option<String>,
    /// First those that follow this number, 0 for all; without it only new ones.
    #[param(value_type = Option<i64>)]
    after: Option<String>,
    /// `false` answers with those that were, as one JSON document: without `after` the newest.
    #[param(value_type = Option<bool>)]
    follow: Option<String>,
    /// With `follow=false`, the most events; 100 by default, 1000 at most.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
}

/// Events, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Events {
    /// The events.
    events: Vec<Event>,
}

/// Events that are given where the request does not say how many, and the most.
const DEFAULT_EVENTS: u32 = 100;
const MAX_EVENTS: u32 = 1_000;

/// Read and follow the event log
///
/// It is the audit log too: nothing in it changes, and nothing younger than 400 days is taken out of it.
/// Server-sent events without an end (or JSON lines, where `Accept` asks for `application/x-ndjson`). Each has
/// its number as `id` and its type as `event`; a client that lost its connection sends `Last-Event-ID` and
/// misses none.
#[utoipa::path(
    get,
    path = "/api/events",
    tag = "platform",
    operation_id = "listenToEvents",
    params(Which, ("Last-Event-ID" = Option<i64>, Header, description = "Takes the place of `after`")),
    responses(
        (status = 200, description = "Events as they happen, or with `follow=false` those that were", content(
            (Event = "text/event-stream"),
            (Event = "application/x-ndjson"),
            (Events = "application/json")
        )),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn events(
    State(control): State<Control>,
    Caller(actor): Caller,
    Filter(which): Filter<Which>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let follow = which.follow.is_none() || flag(which.follow.as_deref(), "follow")?;
    if follow && which.limit.is_some() {
        let what = "`limit` is for the events that were, and these are followed without an end";
        return Err(Error::new(Code::InvalidRequest, what).field("limit").hint("add `follow=false`").into());
    }
    let limit = limit(which.limit.as_deref(), DEFAULT_EVENTS, MAX_EVENTS)?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let after = last.or(which.after.as_deref()).map(number).transpose()?;
    let search = search(which)?;
    if !follow {
        let found = control.past_events(&actor, &search, after, limit).await?;
        return Ok(Json(Events { events: found.into_iter().map(Event::from).collect() }).into_response());
    }
    let feed = control.events(&actor, &search, after).await?;
    let items = stream::unfold(Some(feed), next);
    Ok(match accepts(&headers, NDJSON) {
        true => lines(items),
        false => server_sent(items),
    })
}

fn search(which: Which) -> Result<EventSearch, Error> {
    let service = which.service.map(|text| text.parse().map_err(|error: Error| error.field("service")));
    let deployment =
        which.deployment.map(|text| text.parse().map_err(|error: Error| error.field("deployment")));
    Ok(EventSearch {
        service: service.transpose()?,
        deployment: deployment.transpose()?,
        kind: which.kind,
        actor: which.actor,
        since: time(which.since, "since")?,
        until: time(which.until, "until")?,
    })
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
