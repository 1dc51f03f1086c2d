//! `GET /api/services`

use axum::Json;
use axum::extract::State;
use mirage_control::{Control, Page, ServiceFilter};
use mirage_core::{Error, Name, ServiceId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::{Filter, limit};
use crate::rest::part;
use crate::rest::wire::service::Service;

/// Which services.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only those of this name, in any project and environment.
    name: Option<String>,
    /// At most so many; 100 by default, 500 at most.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
    /// Go on after a page: its `next`.
    after: Option<String>,
}

/// A page of services, by name.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Services {
    /// The services.
    services: Vec<Service>,
    /// The `after` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// List services
#[utoipa::path(
    get,
    path = "/api/services",
    tag = "services",
    operation_id = "listServices",
    params(Which),
    responses(
        (status = 200, description = "A page of services", body = Services),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn list_services(
    State(control): State<Control>,
    Caller(actor): Caller,
    Filter(which): Filter<Which>,
) -> Result<Json<Services>, Problem> {
    let name = which.name.map(|name| name.parse().map_err(|error: Error| error.field("name"))).transpose()?;
    let filter = ServiceFilter { name, ..ServiceFilter::default() };
    let after = which.after.map(|text| part::place(&text, "services", place)).transpose()?;
    let page = Page { after, limit: limit(which.limit.as_deref(), 100, 500)? };
    let listing = control.services(&actor, &filter, &page).await?;
    let next = match listing.items.last() {
        Some(last) if listing.more => Some(format!("{}:{}", last.service.name, last.service.id)),
        _ => None,
    };
    Ok(Json(Services { services: listing.items.into_iter().map(Service::from).collect(), next }))
}

fn place(text: &str) -> Option<(Name, ServiceId)> {
    let (name, id) = text.split_once(':')?;
    Some((name.parse().ok()?, id.parse().ok()?))
}
