//! `GET /api/services/{service}/logs` and `GET /api/logs`

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use http::HeaderMap;
use mirage_control::{Actor, Control, LogSearch, ServiceLine, ServiceRef};
use mirage_core::{Code, Error, LogCursor, LogQuery, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::{Filter, Repeated, Wanted, flag, time};
use crate::rest::stream::{Item, NDJSON, accepts, lines, server_sent};
use crate::rest::wire::log::LogLine;

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
    /// Only lines that this regular expression matches somewhere; as the `regex` crate of Rust reads it.
    regex: Option<String>,
    /// Only lines that are JSON and say that they are of this level or a worse one: `trace`, `debug`, `info`,
    /// `warn`, `error`, `fatal`, in `level`, `severity`, `lvl` or `log.level`.
    level: Option<String>,
    /// Only lines of this deployment.
    deployment: Option<String>,
    /// Only the last so many; 1000 by default, 10000 at most.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
    /// Go on after these lines: the `next` of the last line of each instance, joined by commas. Of other instances
    /// everything is new, or with `@` and a time in microseconds since 1970 before them, what was read after it.
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
/// with `Accept: text/event-stream` as server-sent events, which go on after `Last-Event-ID`. A line before
/// which some are missing, because the log's size limit took them away meanwhile, has `lostBefore`.
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
    answer(&control, &actor, &[wanted], which, &headers).await
}

/// Read the logs of several services
///
/// As that of one, in order of time. With `follow` the last so many lines of each come first.
#[utoipa::path(
    get,
    path = "/api/logs",
    tag = "services",
    operation_id = "readLogsOfServices",
    params(
        ("service" = Vec<String>, Query, description = "Id, name, or project/environment/name; once for each, at most 20"),
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
pub(crate) async fn all_logs(
    State(control): State<Control>,
    Caller(actor): Caller,
    Repeated { values, rest: which }: Repeated<Which>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = values.iter().map(|text| text.parse().map_err(|error: Error| error.field("service")));
    let wanted: Vec<ServiceRef> = wanted.collect::<Result<_>>()?;
    answer(&control, &actor, &wanted, which, &headers).await
}

async fn answer(
    control: &Control,
    actor: &Actor,
    wanted: &[ServiceRef],
    which: Which,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let follow = flag(which.follow.as_deref(), "follow")?;
    let cursor = cursor(&which, headers)?;
    let search = search(which, &cursor)?;
    let items = if follow {
        let mut passed = cursor;
        let found = control.follow_logs(actor, wanted, &search).await?;
        found.map(move |line| line.map(|line| item(line, &mut passed)).map_err(Problem::from)).boxed()
    } else {
        let found = control.logs(actor, wanted, &search).await?;
        if !accepts(headers, "text/event-stream") && !accepts(headers, NDJSON) {
            let lines = found.into_iter().map(LogLine::from).collect();
            return Ok(Json(LogLines { lines }).into_response());
        }
        let mut passed = cursor;
        stream::iter(found).map(move |line| Ok(item(line, &mut passed))).boxed()
    };
    Ok(match accepts(headers, "text/event-stream") {
        true => server_sent(items),
        false => lines(items),
    })
}

fn item(line: ServiceLine, passed: &mut LogCursor) -> Item<LogLine> {
    passed.pass(line.line.place(), line.line.time);
    Item { id: Some(passed.to_string()), data: LogLine::from(line), name: None }
}

fn cursor(which: &Which, headers: &HeaderMap) -> Result<LogCursor> {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    last.or(which.after.as_deref()).map_or_else(|| Ok(LogCursor::default()), str::parse)
}

fn search(which: Which, cursor: &LogCursor) -> Result<LogSearch> {
    let deployment = which.deployment.map(|id| id.parse().map_err(|error: Error| error.field("deployment")));
    let count = |text: String| {
        text.parse().map_err(|_| {
            Error::new(Code::InvalidRequest, "`limit` is not a number")
                .field("limit")
                .hint("leave it out for 1000, the most is 10000")
        })
    };
    let query = LogQuery {
        deployment: deployment.transpose()?,
        since: time(which.since, "since")?,
        until: time(which.until, "until")?,
        grep: which.grep.filter(|text| !text.is_empty()),
        limit: which.limit.map(count).transpose()?,
        after: cursor.places(),
        others_after: cursor.others_after(),
        ..LogQuery::default()
    };
    let level = which.level.filter(|text| !text.is_empty()).map(|text| text.parse()).transpose()?;
    Ok(LogSearch { query, regex: which.regex.filter(|text| !text.is_empty()), level })
}
