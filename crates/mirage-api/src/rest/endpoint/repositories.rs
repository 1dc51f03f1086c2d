//! `GET /api/repositories`, `GET/DELETE /api/repositories/{image}`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;
use mirage_core::{Code, Error};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::{Filter, WantedImage, flag};
use crate::rest::part::Part;
use crate::rest::wire::repository::{RemovedImages, Repository};

/// A page of the repositories of the built-in registry, by name.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Repositories {
    /// The repositories, each with its first tags.
    repositories: Vec<Repository>,
    /// The `after` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// How images are removed.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Removing {
    /// Whether they are removed although services are set to them.
    #[param(value_type = Option<bool>)]
    force: Option<String>,
}

/// List the repositories of the built-in registry
#[utoipa::path(
    get,
    path = "/api/repositories",
    tag = "images",
    operation_id = "listRepositories",
    params(Part),
    responses(
        (status = 200, description = "A page of repositories", body = Repositories),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn list_repositories(
    State(control): State<Control>,
    Caller(actor): Caller,
    Filter(part): Filter<Part>,
) -> Result<Json<Repositories>, Problem> {
    let after = part.after("repositories", |text| text.parse().ok())?;
    let listing = control.repositories(&actor, after.as_ref(), part.limit()?).await?;
    let last = listing.items.last().filter(|_| listing.more);
    let next = last.map(|view| view.repository.to_string());
    Ok(Json(Repositories { repositories: listing.items.into_iter().map(Repository::from).collect(), next }))
}

/// Show a repository of the built-in registry
///
/// With a page of its tags.
#[utoipa::path(
    get,
    path = "/api/repositories/{image}",
    tag = "images",
    operation_id = "getRepository",
    params(("image" = String, Path, description = "The repository, with its slashes as `%2F`"), Part),
    responses(
        (status = 200, description = "The repository", body = Repository),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn get_repository(
    State(control): State<Control>,
    Caller(actor): Caller,
    WantedImage(wanted): WantedImage,
    Filter(part): Filter<Part>,
) -> Result<Json<Repository>, Problem> {
    if let Some(tag) = &wanted.tag {
        let error = Error::new(
            Code::InvalidImageReference,
            format!("`{wanted}` names a tag, and a repository is shown"),
        );
        return Err(error.field("image").hint(format!("leave out `:{tag}`; the answer has the tags")).into());
    }
    let after = part.after("tags", |text| text.parse().ok())?;
    let view = control.repository(&actor, &wanted.repository, after.as_ref(), part.limit()?).await?;
    Ok(Json(view.into()))
}

/// Remove images from the built-in registry
///
/// A tag with what nothing else means, or a repository with all its tags. What lost its tag before goes too, a day after
/// its push, but for what services need. Refused while a service is set to such an image or being deployed with one,
/// unless `force` says otherwise. What runs goes on, and a revision that can be rolled back to keeps its bytes, as far as
/// they were brought to this machine.
#[utoipa::path(
    delete,
    path = "/api/repositories/{image}",
    tag = "images",
    operation_id = "removeImages",
    params(("image" = String, Path, description = "`repository` or `repository:tag`, with its slashes as `%2F`"), Removing),
    responses(
        (status = 200, description = "What was removed", body = RemovedImages),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn remove_images(
    State(control): State<Control>,
    Caller(actor): Caller,
    WantedImage(wanted): WantedImage,
    Filter(how): Filter<Removing>,
) -> Result<Json<RemovedImages>, Problem> {
    let force = flag(how.force.as_deref(), "force")?;
    Ok(Json(control.remove_images(&actor, &wanted, force).await?.into()))
}
