//! `GET /api/domains`, `GET` and `POST /api/services/{service}/domains`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;
use serde::Serialize;
use utoipa::ToSchema;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::{Body, Wanted};
use crate::rest::wire::domain::{Domain, NewDomain};

/// Domains.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Domains {
    /// By name.
    domains: Vec<Domain>,
}

/// List domains
#[utoipa::path(
    get,
    path = "/api/domains",
    tag = "domains",
    operation_id = "listDomains",
    responses(
        (status = 200, description = "Every domain there is", body = Domains),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn list_domains(
    State(control): State<Control>,
    Caller(actor): Caller,
) -> Result<Json<Domains>, Problem> {
    let all = control.domains(&actor, None).await?;
    Ok(Json(Domains { domains: all.into_iter().map(Domain::from).collect() }))
}

/// List the domains of a service
#[utoipa::path(
    get,
    path = "/api/services/{service}/domains",
    tag = "domains",
    operation_id = "listServiceDomains",
    params(("service" = String, Path, description = "Id, name, or `project/environment/name`")),
    responses(
        (status = 200, description = "Its domains", body = Domains),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn list_service_domains(
    State(control): State<Control>,
    Caller(actor): Caller,
    Wanted(service): Wanted,
) -> Result<Json<Domains>, Problem> {
    let all = control.domains(&actor, Some(&service)).await?;
    Ok(Json(Domains { domains: all.into_iter().map(Domain::from).collect() }))
}

/// Give a domain to a service
///
/// It answers at once, over plain HTTP; its certificate is asked for by itself. For a domain that the service has
/// already, this changes what holds for it. Refused with `ROUTE_CONFLICT` where another service has it. On a domain
/// the path `/.well-known/acme-challenge/` is answered by Mirage.
#[utoipa::path(
    post,
    path = "/api/services/{service}/domains",
    tag = "domains",
    operation_id = "addDomain",
    params(("service" = String, Path, description = "Id, name, or `project/environment/name`")),
    request_body = NewDomain,
    responses(
        (status = 200, description = "It has it", body = Domain),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn add_domain(
    State(control): State<Control>,
    Caller(actor): Caller,
    Wanted(service): Wanted,
    Body(request): Body<NewDomain>,
) -> Result<Json<Domain>, Problem> {
    Ok(Json(control.add_domain(&actor, &service, request.try_into()?).await?.into()))
}
