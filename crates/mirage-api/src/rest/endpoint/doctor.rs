//! `GET /api/doctor`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;
use serde::Serialize;
use utoipa::ToSchema;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;

/// What was looked at on this machine.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Diagnosis {
    /// Whether nothing stands in the way.
    well: bool,
    /// One entry for each thing that was looked at.
    findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Finding {
    /// What.
    #[schema(example = "layers")]
    subject: String,
    /// What was seen.
    #[schema(example = "EROFS files, mounted directly")]
    seen: String,
    /// What to do about it; null where all is well.
    hint: Option<String>,
}

/// Look at the machine
#[utoipa::path(
    get,
    path = "/api/doctor",
    tag = "platform",
    operation_id = "diagnose",
    responses(
        (status = 200, description = "What was seen", body = Diagnosis),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn doctor(
    State(control): State<Control>,
    Caller(actor): Caller,
) -> Result<Json<Diagnosis>, Problem> {
    let findings: Vec<Finding> = control
        .doctor(&actor)
        .await?
        .into_iter()
        .map(|finding| Finding { subject: finding.subject, seen: finding.seen, hint: finding.hint })
        .collect();
    Ok(Json(Diagnosis { well: findings.iter().all(|finding| finding.hint.is_none()), findings }))
}
