//! `PUT /api/domains/{domain}/certificate`, `POST /api/domains/{domain}/certificate/renew`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;
use mirage_core::Secret;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::{Body, WantedDomain};
use crate::rest::wire::domain::Domain;

/// A certificate that a user brings.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OwnCertificate {
    /// The chain as PEM: the domain's own certificate, who signed it, who signed that.
    certificate: String,
    /// The private key as PEM. It is sealed, and no answer has it.
    #[schema(value_type = String, write_only)]
    key: Secret,
}

/// Bring a certificate for a domain
///
/// It is served at once, instead of the one before, and nobody renews it. Refused where the key is not its key, where
/// it is not for the domain, and where it has expired; then nothing changes.
#[utoipa::path(
    put,
    path = "/api/domains/{domain}/certificate",
    tag = "domains",
    operation_id = "setCertificate",
    params(("domain" = String, Path, description = "The host name")),
    request_body = OwnCertificate,
    responses(
        (status = 200, description = "It is served", body = Domain),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn set_certificate(
    State(control): State<Control>,
    Caller(actor): Caller,
    WantedDomain(domain): WantedDomain,
    Body(request): Body<OwnCertificate>,
) -> Result<Json<Domain>, Problem> {
    let OwnCertificate { certificate, key } = request;
    let view = control.set_certificate(&actor, &domain, &certificate, &key).await?;
    Ok(Json(Domain::of(view, &control)))
}

/// Ask for a certificate now
///
/// Instead of when it is due: after a failure, say, whose reason is gone. Answers before anything has come of it.
#[utoipa::path(
    post,
    path = "/api/domains/{domain}/certificate/renew",
    tag = "domains",
    operation_id = "renewCertificate",
    params(("domain" = String, Path, description = "The host name")),
    responses(
        (status = 200, description = "It is asked for", body = Domain),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn renew_certificate(
    State(control): State<Control>,
    Caller(actor): Caller,
    WantedDomain(domain): WantedDomain,
) -> Result<Json<Domain>, Problem> {
    let view = control.renew_certificate(&actor, &domain).await?;
    Ok(Json(Domain::of(view, &control)))
}
