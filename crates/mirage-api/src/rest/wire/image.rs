//! Images.

use std::collections::BTreeMap;

use mirage_control::{Inspection, ServiceView};
use mirage_core::{ResolvedImage, human_bytes};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of `POST /api/images/inspect`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InspectRequest {
    /// A reference.
    pub image: String,
    /// `linux/amd64`; by default that of the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
}

/// What an image is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InspectBody {
    /// The canonical reference.
    pub image: String,
    /// As people write it.
    pub familiar: String,
    /// What the tag points to now.
    pub digest: String,
    /// The manifest for the platform.
    pub manifest_digest: String,
    /// The platform of that manifest.
    pub platform: String,
    /// Every platform it is offered for.
    pub platforms: Vec<String>,
    /// Compressed bytes of all layers.
    pub size_bytes: u64,
    /// Layers.
    pub layers: u32,
    /// Whether every layer is on the machine already.
    pub present: bool,
    /// When it was built.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub created: Option<jiff::Timestamp>,
    /// Ports it exposes.
    pub ports: Vec<u16>,
    /// The user it runs as; empty means root.
    pub user: String,
    /// Its entrypoint.
    pub entrypoint: Vec<String>,
    /// Its command.
    pub command: Vec<String>,
    /// Its working directory.
    pub working_directory: String,
    /// Volumes it declares.
    pub volumes: Vec<String>,
    /// Its health check.
    pub health_command: Vec<String>,
    /// Its stop signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The verdict in one line.
    pub verdict: String,
    /// How long the registry took, in milliseconds.
    pub millis: u64,
}

impl InspectBody {
    /// From what preflight found.
    pub fn new(found: Inspection) -> Self {
        let Inspection { image, present, took } = found;
        let verdict = verdict(&image, present);
        Self {
            image: image.reference.to_string(),
            familiar: image.reference.familiar(),
            digest: image.digest.to_string(),
            manifest_digest: image.manifest.to_string(),
            platform: image.platform.to_string(),
            platforms: image.platforms.iter().map(ToString::to_string).collect(),
            size_bytes: image.size_bytes,
            layers: image.layers,
            present,
            created: image.config.created,
            ports: image.config.ports.iter().map(|port| port.get()).collect(),
            user: image.config.user,
            entrypoint: image.config.entrypoint,
            command: image.config.command,
            working_directory: image.config.working_directory,
            volumes: image.config.volumes,
            health_command: image.config.health_command,
            stop_signal: image.config.stop_signal,
            labels: image.config.labels,
            verdict,
            millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

fn verdict(image: &ResolvedImage, present: bool) -> String {
    let here = if present { "present" } else { "to be pulled" };
    format!("runs here: {}, {} in {} layers, {here}", image.platform, human_bytes(image.size_bytes), image.layers)
}

/// The image of a service; never a password.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageConfigBody {
    /// The canonical reference.
    pub docker_image: String,
    /// Its registry.
    pub image_registry: String,
    /// Its repository.
    pub image_name: String,
    /// Its tag, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_tag: Option<String>,
    /// The digest that runs, or is to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<String>,
    /// Whether credentials are used.
    pub image_auth_required: bool,
    /// Ports the image exposes.
    pub exposed_ports: Vec<u16>,
    /// Ports in force.
    pub ports: Vec<u16>,
}

impl ImageConfigBody {
    /// From a service.
    pub fn new(view: &ServiceView) -> Self {
        let mirage_core::Source::Image(reference) = &view.service.spec.source;
        let numbers = |ports: &[mirage_core::Port]| ports.iter().map(|port| port.get()).collect();
        let image = view.revision.as_ref().map(|revision| &revision.image);
        Self {
            docker_image: reference.to_string(),
            image_registry: reference.host().to_string(),
            image_name: reference.repository().to_string(),
            image_tag: reference.tag().map(ToString::to_string),
            image_digest: image.map(|image| image.digest.to_string()),
            image_auth_required: false,
            exposed_ports: image.map(|image| numbers(&image.config.ports)).unwrap_or_default(),
            ports: view.revision.as_ref().map(|revision| numbers(&revision.ports())).unwrap_or_default(),
        }
    }
}
