//! `POST /api/images/tags`

use axum::Json;
use axum::extract::State;
use mirage_control::{Control, TagQuery};
use mirage_core::{Error, Reference};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::create_service::name;
use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::Body;
use crate::rest::wire::credential::{RegistryCredentials, credential_change};

/// Whose tags.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ListTags {
    /// An image of the repository; its tag or digest does not matter.
    #[schema(example = "ghcr.io/acme/web")]
    image: String,
    /// The login at its registry. Without one, what a new service of the place below would pull with.
    registry_credentials: Option<RegistryCredentials>,
    /// The project; `default` by default.
    project: Option<String>,
    /// The environment; `production` by default.
    environment: Option<String>,
}

/// The tags of a repository.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tags {
    /// `latest`, then versions, the highest first, then the rest by name.
    tags: Vec<String>,
    /// Whether the repository has more than were read.
    more: bool,
}

/// List the tags of an image
///
/// Asks the registry what tags the image's repository has right now. Writes nothing.
#[utoipa::path(
    post,
    path = "/api/images/tags",
    tag = "images",
    operation_id = "listTags",
    request_body = ListTags,
    responses(
        (status = 200, description = "The tags", body = Tags),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn image_tags(
    State(control): State<Control>,
    Caller(actor): Caller,
    Body(request): Body<ListTags>,
) -> Result<Json<Tags>, Problem> {
    let reference: Reference = request.image.parse().map_err(|error: Error| error.field("image"))?;
    let query = TagQuery {
        reference,
        credentials: credential_change(request.registry_credentials),
        project: name(request.project, "project")?,
        environment: name(request.environment, "environment")?,
    };
    let found = control.tags(&actor, query).await?;
    Ok(Json(Tags { tags: found.tags.iter().map(ToString::to_string).collect(), more: found.more }))
}
