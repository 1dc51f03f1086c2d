//! `GET /api/domains`, `GET` and `POST /api/services/{service}/domains`

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mirage_control::{Control, DOMAINS_MAX, ListedDomain, Listing};
use serde::Serialize;
use utoipa::ToSchema;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::{Body, Filter, Wanted};
use crate::rest::part::Part;
use crate::rest::wire::domain::{Domain, NewDomain};

/// Domains.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Domains {
    /// By name.
    domains: Vec<Domain>,
    /// The `after` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// List domains
#[utoipa::path(
    get,
    path = "/api/domains",
    tag = "domains",
    operation_id = "listDomains",
    params(Part),
    responses(
        (status = 200, description = "A page of domains", body = Domains),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn list_domains(
    State(control): State<Control>,
    Caller(actor): Caller,
    Filter(part): Filter<Part>,
) -> Result<Json<Domains>, Problem> {
    let after = part.after("domains", |text| text.parse().ok())?;
    let page = control.domains(&actor, None, after.as_ref(), part.limit()?).await?;
    Ok(Json(Domains::of(page, &control)))
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
    let page = control.domains(&actor, Some(&service), None, DOMAINS_MAX).await?;
    Ok(Json(Domains::of(page, &control)))
}

/// Give a domain to a service
///
/// It answers at once, over plain HTTP; its certificate is asked for by itself. For a domain that the service has
/// already, this changes what holds for it, and what is absent stays as it is. Refused with `ROUTE_CONFLICT` where another service has it. On a domain
/// the path `/.well-known/acme-challenge/` is answered by Mirage.
#[utoipa::path(
    post,
    path = "/api/services/{service}/domains",
    tag = "domains",
    operation_id = "addDomain",
    params(("service" = String, Path, description = "Id, name, or `project/environment/name`")),
    request_body = NewDomain,
    responses(
        (status = 200, description = "It had it already, and this holds for it now", body = Domain),
        (status = 201, description = "It has it", body = Domain),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn add_domain(
    State(control): State<Control>,
    Caller(actor): Caller,
    Wanted(service): Wanted,
    Body(request): Body<NewDomain>,
) -> Result<(StatusCode, Json<Domain>), Problem> {
    let (view, is_new) = control.add_domain(&actor, &service, request.try_into()?).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(Domain::of(view, &control))))
}

impl Domains {
    fn of(page: Listing<ListedDomain>, control: &Control) -> Self {
        let last = page.items.last().filter(|_| page.more);
        let next = last.map(|last| last.record.domain.to_string());
        Self { domains: page.items.into_iter().map(|one| Domain::of(one, control)).collect(), next }
    }
}
