//! `GET /api/services/{service}/metrics`

use axum::Json;
use axum::extract::State;
use mirage_control::{Control, MetricQuery};
use mirage_core::{Code, Error};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::{Filter, Wanted, time};
use crate::rest::wire::metric::Metrics;

/// Which stretch of time.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// From this time on (RFC 3339); an hour before the end by default.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Until this time (RFC 3339); now by default.
    #[param(format = DateTime)]
    until: Option<String>,
    /// Seconds that a point stands for, 10 at least; chosen by the time asked for by default.
    #[param(value_type = Option<u32>)]
    step: Option<String>,
}

/// Read what a service did and used
///
/// Kept for a week. Minutes of a day, ten minutes, hours and six hours of a week; with very many services the
/// finer ones for less long. Steps shorter than a minute go back an hour at most.
#[utoipa::path(
    get,
    path = "/api/services/{service}/metrics",
    tag = "services",
    operation_id = "readMetrics",
    params(("service" = String, Path, description = "Id, name, or project/environment/name"), Which),
    responses(
        (status = 200, description = "The points, oldest first", body = Metrics),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn metrics(
    State(control): State<Control>,
    Caller(actor): Caller,
    Wanted(wanted): Wanted,
    Filter(which): Filter<Which>,
) -> Result<Json<Metrics>, Problem> {
    let step = which.step.map(|text| text.parse::<u32>()).transpose().map_err(|_| {
        Error::new(Code::InvalidRequest, "`step` is not a number of seconds")
            .field("step")
            .hint("leave it out to have one chosen")
    })?;
    let query = MetricQuery {
        since: time(which.since, "since")?,
        until: time(which.until, "until")?,
        step_seconds: step,
    };
    Ok(Json(control.metrics(&actor, &wanted, &query).await?.into()))
}
