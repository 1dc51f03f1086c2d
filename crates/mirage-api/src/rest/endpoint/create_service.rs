//! `POST /api/services/from-image`

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::{StatusCode, header};
use mirage_control::{Control, CreateService};
use mirage_core::{Code, Error, Name, Port, Result, Secret, ServiceSpec};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::rest::auth::Caller;
use crate::rest::error::Problem;
use crate::rest::input::Body;
use crate::rest::wire::change::distinct;
use crate::rest::wire::credential::{RegistryCredentials, credential_change};
use crate::rest::wire::deployment::Deployment;
use crate::rest::wire::domain::NewDomain;
use crate::rest::wire::reference::ImageFields;
use crate::rest::wire::service::Service;
use crate::rest::wire::settings::{HealthcheckChange, ResourcesChange, RestartPolicy, RolloutChange};
use crate::rest::wire::variable::inputs;
use crate::rest::wire::volume::{Mount, mounts};

/// A service that is to be made. The image comes as `image`, or as its parts.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewService {
    /// Unique in its environment; by default the last part of the image's repository.
    #[schema(example = "web")]
    name: Option<String>,
    /// The project, made if it is not there; `default` by default.
    project: Option<String>,
    /// The environment, made if it is not there; `production` by default.
    environment: Option<String>,
    /// The image as a full reference.
    #[schema(example = "ghcr.io/acme/web:1.2")]
    image: Option<String>,
    /// The registry; Docker Hub by default.
    #[schema(example = "ghcr.io")]
    image_registry: Option<String>,
    /// The repository.
    #[schema(example = "acme/web")]
    image_name: Option<String>,
    /// The tag; `latest` by default.
    #[schema(example = "1.2")]
    image_tag: Option<String>,
    /// The digest, which decides over the tag.
    image_digest: Option<String>,
    /// The login at its registry. Without one, what the environment and the project share is tried.
    registry_credentials: Option<RegistryCredentials>,
    /// Ports the process listens on, the routed one first. By default those the image exposes, else
    /// `PORT`; an empty list makes a worker without an address.
    #[schema(value_type = Option<Vec<u16>>, example = json!([8080]))]
    ports: Option<Vec<Port>>,
    /// Environment variables.
    #[serde(default)]
    environment_variables: BTreeMap<String, String>,
    /// Environment variables that no answer shows again.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>, write_only)]
    sealed_variables: BTreeMap<String, Secret>,
    /// Replaces the image's command, not its entrypoint.
    command: Option<Vec<String>>,
    /// How health is judged.
    healthcheck: Option<HealthcheckChange>,
    /// Instances wanted; 1 by default.
    replicas: Option<u32>,
    /// Limits of each instance.
    resources: Option<ResourcesChange>,
    /// What happens when the process exits; `ON_FAILURE` by default.
    restart_policy: Option<RestartPolicy>,
    /// Domains at which it answers beside its own address.
    #[serde(default)]
    domains: Vec<NewDomain>,
    /// Whether programs may gain privileges by setuid bits and file capabilities; false by default.
    #[serde(default)]
    allow_new_privileges: bool,
    /// Whether it is deployed by itself when its tag is pushed to the built-in registry; false by default.
    #[serde(default)]
    auto_deploy: bool,
    /// How it changes from one deployment to the next.
    rollout: Option<RolloutChange>,
    /// Its volumes. A service with any has one instance.
    #[serde(default)]
    volumes: Vec<Mount>,
    /// Seconds between the stop signal and the kill; 10 by default.
    #[schema(maximum = 3600)]
    stop_grace_seconds: Option<u32>,
}

/// A service and the deployment that was begun with it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Created {
    /// The service.
    service: Service,
    /// Its first deployment.
    deployment: Deployment,
}

/// Create a service from an image
///
/// The image is judged first; if it cannot run here, nothing is written. Otherwise the service exists
/// when this answers, and its first deployment is on its way.
#[utoipa::path(
    post,
    path = "/api/services/from-image",
    tag = "services",
    operation_id = "createServiceFromImage",
    request_body = NewService,
    responses(
        (status = 202, description = "Made, its deployment begun", body = Created),
        (status = "default", description = "Refused", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn create_service(
    State(control): State<Control>,
    Caller(actor): Caller,
    Body(request): Body<NewService>,
) -> Result<impl IntoResponse, Problem> {
    let (service, deployment) = control.create_service(&actor, request.try_into()?).await?;
    let location = [(header::LOCATION, format!("/api/deployments/{}", deployment.id))];
    let created = Created { service: Service::from(service), deployment: Deployment::from(&deployment) };
    Ok((StatusCode::ACCEPTED, location, Json(created)))
}

impl TryFrom<NewService> for CreateService {
    type Error = Error;

    fn try_from(request: NewService) -> Result<Self> {
        let image = ImageFields {
            image: request.image,
            registry: request.image_registry,
            name: request.image_name,
            tag: request.image_tag,
            digest: request.image_digest,
        };
        let reference = image.reference(None)?.ok_or_else(|| {
            Error::new(Code::InvalidRequest, "the request names no image").field("image").hint(
                "send `image`, for example `nginx:1.27`, or `imageRegistry`, `imageName` and `imageTag`",
            )
        })?;
        let mut spec = ServiceSpec::image(reference);
        spec.ports = distinct(request.ports)?;
        let given =
            request.environment_variables.into_iter().map(|(name, value)| (name, Some(value))).collect();
        let variables = inputs("environmentVariables", given, request.sealed_variables)?;
        spec.command = request.command;
        spec.probe = request.healthcheck.unwrap_or_default().apply(&spec.probe);
        spec.resources = request.resources.unwrap_or_default().apply(&spec.resources);
        spec.restart = request.restart_policy.map_or(spec.restart, Into::into);
        spec.allow_new_privileges = request.allow_new_privileges;
        spec.auto_deploy = request.auto_deploy;
        spec.rollout = request.rollout.unwrap_or_default().apply(&spec.rollout);
        spec.volumes = mounts(request.volumes)?;
        spec.stop_grace_seconds = request.stop_grace_seconds.unwrap_or(spec.stop_grace_seconds);
        Ok(Self {
            name: name(request.name, "name")?,
            project: name(request.project, "project")?,
            environment: name(request.environment, "environment")?,
            spec,
            variables: variables
                .into_iter()
                .filter_map(|(name, input)| input.map(|input| (name, input)))
                .collect(),
            credentials: credential_change(request.registry_credentials),
            replicas: request.replicas.unwrap_or(1),
            domains: request.domains.into_iter().map(TryInto::try_into).collect::<Result<_>>()?,
        })
    }
}

pub(super) fn name(text: Option<String>, field: &str) -> Result<Option<Name>> {
    text.map(|text| text.parse().map_err(|error: Error| error.field(field))).transpose()
}
