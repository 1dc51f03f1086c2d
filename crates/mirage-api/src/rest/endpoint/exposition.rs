//! `GET /metrics`

use axum::extract::State;
use http::header;
use mirage_control::Control;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::wire::exposition;

/// Read the metrics of everything, for Prometheus
///
/// In its text format. What is counted is counted since the control process started.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "platform",
    operation_id = "readAllMetrics",
    responses(
        (status = 200, description = "Prometheus text format 0.0.4", body = String, content_type = "text/plain"),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn exposition(
    State(control): State<Control>,
    Caller(actor): Caller,
) -> Result<([(header::HeaderName, &'static str); 1], String), Problem> {
    let metrics = control.platform_metrics(&actor).await?;
    Ok(([(header::CONTENT_TYPE, exposition::MEDIA_TYPE)], exposition::text(&metrics)))
}
