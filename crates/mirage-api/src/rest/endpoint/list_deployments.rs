//! `GET /api/services/{service}/deployments`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;
use mirage_core::Error;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::{Filter, Wanted, limit};
use crate::rest::wire::deployment::{DeploymentDetail, Deployments};

/// Which of them.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HowMany {
    /// At most so many; 20 by default, 100 at most.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
    /// Go on after a page: its `next`, the id of its last deployment.
    after: Option<String>,
}

/// List the deployments of a service
#[utoipa::path(
    get,
    path = "/api/services/{service}/deployments",
    tag = "deployments",
    operation_id = "listDeployments",
    params(("service" = String, Path, description = "Id, name, or project/environment/name"), HowMany),
    responses(
        (status = 200, description = "The newest first", body = Deployments),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn list_deployments(
    State(control): State<Control>,
    Caller(actor): Caller,
    Wanted(wanted): Wanted,
    Filter(how_many): Filter<HowMany>,
) -> Result<Json<Deployments>, Problem> {
    let limit = limit(how_many.limit.as_deref(), 20, 100)?;
    let after = how_many.after.map(|text| text.parse().map_err(|error: Error| error.field("after")));
    let page = control.deployments(&actor, &wanted, after.transpose()?, limit).await?;
    let last = page.items.last().filter(|_| page.more);
    let next = last.map(|last| last.deployment.id.to_string());
    Ok(Json(Deployments { deployments: page.items.into_iter().map(DeploymentDetail::from).collect(), next }))
}
