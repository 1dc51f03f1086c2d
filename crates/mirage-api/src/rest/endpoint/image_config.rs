//! `GET /api/services/{service}/image-config`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;
use mirage_core::{Code, Error};
use serde::Serialize;
use utoipa::ToSchema;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::Wanted;
use crate::rest::wire::image::Image;

/// The image of a service. There is no field for a password, so none can be in it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServiceImage {
    #[serde(flatten)]
    image: Image,
    /// Number of the revision whose image this is.
    revision: u32,
    /// Whether the registry is asked with a credential of this service.
    image_auth_required: bool,
    /// The user name of that credential.
    registry_username: Option<String>,
}

/// Show the image of a service
///
/// The image of the revision that serves, else of the one on its way, as it was resolved.
#[utoipa::path(
    get,
    path = "/api/services/{service}/image-config",
    tag = "services",
    operation_id = "getImageConfig",
    params(("service" = String, Path, description = "Id, name, or project/environment/name")),
    responses(
        (status = 200, description = "The image", body = ServiceImage),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn image_config(
    State(control): State<Control>,
    Caller(actor): Caller,
    Wanted(wanted): Wanted,
) -> Result<Json<ServiceImage>, Problem> {
    let view = control.service(&actor, &wanted).await?;
    let revision = view.revision.ok_or_else(|| {
        Error::new(Code::NotFound, format!("`{}` has no revision yet", view.service.name))
            .hint("deploy it first")
    })?;
    Ok(Json(ServiceImage {
        image: Image::from(revision.image),
        revision: revision.number,
        image_auth_required: view.credential.is_some(),
        registry_username: view.credential.map(|owner| owner.username),
    }))
}
