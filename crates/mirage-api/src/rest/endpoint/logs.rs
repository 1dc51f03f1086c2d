//! `GET /api/services/{service}/logs`

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use http::HeaderMap;
use mirage_control::Control;
use mirage_core::{Code, Error, LogQuery, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::{Filter, Wanted, flag, limit, time};
use crate::rest::stream::{Item, NDJSON, accepts, lines, server_sent};
use crate::rest::wire::log::{LogCursor, LogLine};

/// Lines that are given where the request does not say how many.
const DEFAULT_LINES: u32 = 1_000;

/// The most lines in one answer.
const MAX_LINES: u32 = 10_000;

/// The longest text to look for.
const MAX_GREP: usize = 1_000;

/// Which lines.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Go on with every new line as it is written.
    #[param(value_type = Option<bool>)]
    follow: Option<String>,
    /// Only lines read at or after this time (RFC 3339).
    #[param(format = DateTime)]
    since: Option<String>,
    /// Only lines read before this time (RFC 3339).
    #[param(format = DateTime)]
    until: Option<String>,
    /// Only lines that contain this text.
    grep: Option<String>,
    /// Only lines of this deployment.
    deployment: Option<String>,
    /// Only the last so many; 1000 by default, 10000 at most.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
    /// Go on after these lines: the `next` of the last line of each instance, joined by commas.
    after: Option<String>,
}

/// Lines, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct LogLines {
    /// The lines.
    lines: Vec<LogLine>,
}

/// Read the log of a service
///
/// As one JSON document; with `follow` or `Accept: application/x-ndjson` as one JSON value a line, and
/// with `Accept: text/event-stream` as server-sent events, which go on after `Last-Event-ID`.
#[utoipa::path(
    get,
    path = "/api/services/{service}/logs",
    tag = "services",
    operation_id = "readLogs",
    params(
        ("service" = String, Path, description = "Id, name, or project/environment/name"),
        Which,
        ("Last-Event-ID" = Option<String>, Header, description = "Takes the place of `after`")
    ),
    responses(
        (status = 200, description = "The lines", content(
            (LogLines = "application/json"),
            (LogLine = "application/x-ndjson"),
            (LogLine = "text/event-stream")
        )),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn logs(
    State(control): State<Control>,
    Caller(actor): Caller,
    Wanted(wanted): Wanted,
    Filter(which): Filter<Which>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let follow = flag(which.follow.as_deref(), "follow")?;
    let cursor = cursor(&which, &headers)?;
    let query = query(which, &cursor, follow)?;
    let items = if follow {
        let mut passed = cursor;
        let found = control.follow_logs(&actor, &wanted, query).await?;
        found.map(move |line| line.map(|line| item(line, &mut passed)).map_err(Problem::from)).boxed()
    } else {
        let found = control.logs(&actor, &wanted, &query).await?;
        if !accepts(&headers, "text/event-stream") && !accepts(&headers, NDJSON) {
            return Ok(
                Json(LogLines { lines: found.into_iter().map(LogLine::from).collect() }).into_response()
            );
        }
        let mut passed = cursor;
        stream::iter(found).map(move |line| Ok(item(line, &mut passed))).boxed()
    };
    Ok(match accepts(&headers, "text/event-stream") {
        true => server_sent(items),
        false => lines(items),
    })
}

fn item(line: mirage_core::LogLine, passed: &mut LogCursor) -> Item<LogLine> {
    passed.pass(&line);
    let id = (passed.len() <= LogCursor::MAX_INSTANCES).then(|| passed.to_string());
    Item { data: LogLine::from(line), name: None, id }
}

fn cursor(which: &Which, headers: &HeaderMap) -> Result<LogCursor> {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    last.or(which.after.as_deref()).map_or_else(|| Ok(LogCursor::default()), str::parse)
}

fn query(which: Which, cursor: &LogCursor, follow: bool) -> Result<LogQuery> {
    let deployment = which.deployment.map(|id| id.parse().map_err(|error: Error| error.field("deployment")));
    if which.grep.as_ref().is_some_and(|text| text.len() > MAX_GREP) {
        return Err(Error::new(Code::InvalidRequest, format!("`grep` is longer than {MAX_GREP} bytes"))
            .field("grep")
            .hint("look for a shorter text"));
    }
    let lines = limit(which.limit.as_deref(), DEFAULT_LINES, MAX_LINES)?;
    // Who goes on where they stopped must not lose lines in between.
    let all = follow && cursor.len() > 0 && which.limit.is_none();
    Ok(LogQuery {
        deployment: deployment.transpose()?,
        since: time(which.since, "since")?,
        until: time(which.until, "until")?,
        grep: which.grep.filter(|text| !text.is_empty()),
        limit: (!all).then_some(lines as usize),
        after: cursor.places(),
    })
}
