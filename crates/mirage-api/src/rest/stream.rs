//! Answers without an end: server-sent events, or JSON line by line.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;

use super::error::Problem;

/// How often a silent stream says that it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// JSON, one value a line.
pub(super) const NDJSON: &str = "application/x-ndjson";

/// What a stream carries: a value, and where server-sent events have more to say, a name and an id.
pub(super) struct Item<T> {
    /// The value.
    pub(super) data: T,
    /// The `event` field.
    pub(super) name: Option<&'static str>,
    /// The `id` field, from which a client that lost its connection goes on.
    pub(super) id: Option<String>,
}

/// Whether the client asks for this media type by name.
pub(super) fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|one| one.split(';').next().is_some_and(|one| one.trim() == media_type))
}

/// A stream as server-sent events; an error becomes its last event.
pub(super) fn server_sent<T: Serialize>(
    items: impl Stream<Item = Result<Item<T>, Problem>> + Send + 'static,
) -> Response {
    let events = items.map(|item| {
        Ok::<_, Infallible>(match item {
            Ok(item) => {
                let mut event = Event::default().data(json(&item.data));
                if let Some(name) = item.name {
                    event = event.event(name);
                }
                match item.id {
                    Some(id) => event.id(id),
                    None => event,
                }
            }
            Err(problem) => Event::default().event("problem").data(json(&problem)),
        })
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

/// A stream as lines of JSON; an error becomes its last line, `{"problem": …}`.
pub(super) fn lines<T: Serialize>(
    items: impl Stream<Item = Result<Item<T>, Problem>> + Send + 'static,
) -> Response {
    let lines = items.map(|item| {
        let mut line = match item {
            Ok(item) => json(&item.data),
            Err(problem) => serde_json::json!({ "problem": problem }).to_string(),
        };
        line.push('\n');
        Ok::<_, Infallible>(Bytes::from(line))
    });
    let mut response = Body::from_stream(lines).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    response
}

/// Wire types are plain structs, which always have a JSON form.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
