//! `POST /api/images/inspect`

use axum::Json;
use axum::extract::State;
use mirage_control::Control;
use mirage_core::Reference;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::create_service::name;
use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::Body;
use crate::rest::wire::credential::{RegistryCredentials, credential_change};
use crate::rest::wire::image::Image;
use crate::rest::wire::verdict::{Attachments, ImageFinding, Quota};

/// Which image.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct InspectImage {
    /// A reference.
    #[schema(example = "ghcr.io/acme/web:1.2")]
    image: String,
    /// The platform to judge for; this machine's by default.
    #[schema(example = "linux/amd64")]
    platform: Option<String>,
    /// The login at its registry. Without one, what a new service of the place below would pull with.
    registry_credentials: Option<RegistryCredentials>,
    /// The project; `default` by default.
    project: Option<String>,
    /// The environment; `production` by default.
    environment: Option<String>,
}

/// What preflight found out.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Inspection {
    #[serde(flatten)]
    image: Image,
    /// Whether it can run, in one line.
    #[schema(example = "runs here, 2 warnings")]
    verdict: String,
    /// Whether nothing was found that keeps it from running; a deploy is refused otherwise.
    runs: bool,
    /// What was found, the worst first.
    findings: Vec<ImageFinding>,
    /// Whether every layer is on this machine already.
    present: bool,
    /// Bytes of the layers that would have to be moved, as they are in the registry.
    missing_bytes: Option<u64>,
    /// Bytes that the image takes unpacked, where that can be known without moving its layers.
    unpacked_bytes: Option<u64>,
    /// Bytes that are free where layers are kept.
    free_bytes: Option<u64>,
    /// What hangs on it in its registry.
    attachments: Attachments,
    /// How many pulls its registry still lets through, where it says so.
    quota: Option<Quota>,
    /// How long all that took.
    millis: u64,
}

/// Inspect an image
///
/// Asks the registry what a reference means right now, and judges whether the image can run here.
/// Writes nothing and transfers no layer. An image that is not there, may not be read, or is not built
/// for the platform is refused; whatever else is found is among the findings.
#[utoipa::path(
    post,
    path = "/api/images/inspect",
    tag = "images",
    operation_id = "inspectImage",
    request_body = InspectImage,
    responses(
        (status = 200, description = "What the image is", body = Inspection),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn inspect_image(
    State(control): State<Control>,
    Caller(actor): Caller,
    Body(request): Body<InspectImage>,
) -> Result<Json<Inspection>, Problem> {
    let reference: Reference =
        request.image.parse().map_err(|error: mirage_core::Error| error.field("image"))?;
    let wanted = mirage_control::InspectImage {
        reference,
        platform: request.platform.map(|text| text.parse()).transpose()?,
        credentials: credential_change(request.registry_credentials),
        project: name(request.project, "project")?,
        environment: name(request.environment, "environment")?,
    };
    Ok(Json(Inspection::from(control.inspect(&actor, wanted).await?)))
}

/// What preflight found out, as this face would answer it: for a command line without a platform.
pub fn inspection(found: mirage_control::Inspection) -> serde_json::Value {
    // Strings, numbers and lists only: there is nothing that could not be written.
    serde_json::to_value(Inspection::from(found)).unwrap_or_default()
}

impl From<mirage_control::Inspection> for Inspection {
    fn from(found: mirage_control::Inspection) -> Self {
        let millis = u64::try_from(found.took.as_millis()).unwrap_or(u64::MAX);
        let stock = found.stock;
        Self {
            verdict: found.verdict.line(),
            runs: found.verdict.runs(),
            findings: found.verdict.findings.into_iter().map(ImageFinding::from).collect(),
            image: Image::from(found.image),
            present: stock.present,
            missing_bytes: stock.missing_bytes,
            unpacked_bytes: stock.unpacked_bytes,
            free_bytes: stock.free_bytes,
            attachments: Attachments::from(found.attachments),
            quota: found.quota.map(Quota::from),
            millis,
        }
    }
}
