//! `GET /readyz`

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mirage_control::Control;
use mirage_core::{Code, Error};

use super::healthz::Alive;
use crate::rest::error::Problem;

/// How long database and proxy may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether database and proxy answer
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "platform",
    operation_id = "readyz",
    security(()),
    responses(
        (status = 200, description = "They do", body = Alive),
        (status = 503, description = "They do not", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn readyz(State(control): State<Control>) -> Result<Json<Alive>, Problem> {
    let ready = tokio::time::timeout(PATIENCE, control.ready()).await.unwrap_or_else(|_| {
        Err(Error::new(Code::DeadlineExceeded, "database or proxy did not answer in time"))
    });
    match ready {
        Ok(()) => Ok(Json(Alive { status: "ok" })),
        Err(error) => Err(Problem::from(error).with_status(StatusCode::SERVICE_UNAVAILABLE)),
    }
}
