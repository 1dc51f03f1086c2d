//! `DELETE /api/domains/{domain}`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::WantedDomain;
use crate::rest::wire::domain::Domain;

/// Take a domain away from its service
///
/// Its certificate goes with it.
#[utoipa::path(
    delete,
    path = "/api/domains/{domain}",
    tag = "domains",
    operation_id = "removeDomain",
    params(("domain" = String, Path, description = "The host name")),
    responses(
        (status = 200, description = "What was removed", body = Domain),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn remove_domain(
    State(control): State<Control>,
    Caller(actor): Caller,
    WantedDomain(domain): WantedDomain,
) -> Result<Json<Domain>, Problem> {
    Ok(Json(Domain::of(control.remove_domain(&actor, &domain).await?, &control)))
}
