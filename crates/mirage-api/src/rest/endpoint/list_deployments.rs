//! `GET /api/services/{service}/deployments`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::{Filter, Wanted, limit};
use crate::rest::wire::deployment::{DeploymentDetail, Deployments};

/// How many.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HowMany {
    /// At most so many; 20 by default, 100 at most.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
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
    let deployments = control.deployments(&actor, &wanted, limit).await?;
    Ok(Json(Deployments { deployments: deployments.into_iter().map(DeploymentDetail::from).collect() }))
}
