//! Images in answers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mirage_core as core;
use mirage_core::ResolvedImage;
use serde::Serialize;
use utoipa::ToSchema;

/// An image, pinned to what it was when it was resolved.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Image {
    /// The reference in its canonical form.
    docker_image: String,
    /// Its registry.
    image_registry: String,
    /// Its repository.
    image_name: String,
    /// Its tag, where one was asked for.
    image_tag: Option<String>,
    /// What the tag pointed to: an index or a manifest.
    image_digest: String,
    /// The manifest chosen for the platform.
    manifest_digest: String,
    /// The platform of that manifest.
    #[schema(example = "linux/amd64")]
    platform: String,
    /// Every platform the image is offered for.
    platforms: Vec<String>,
    /// Bytes to transfer if nothing is here yet.
    size_bytes: u64,
    /// Number of layers.
    layers: u32,
    /// What the image says about how it wants to run.
    config: ImageConfig,
}

/// What an image says about how it wants to run.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ImageConfig {
    /// `ENTRYPOINT`, in exec form.
    entrypoint: Vec<String>,
    /// `CMD`, in exec form.
    command: Vec<String>,
    /// `ENV`, as `NAME=value`.
    environment: Vec<String>,
    /// `WORKDIR`.
    working_directory: String,
    /// `USER`; empty means root.
    user: String,
    /// TCP ports of `EXPOSE`.
    exposed_ports: Vec<u16>,
    /// `VOLUME` paths.
    volumes: Vec<String>,
    /// `STOPSIGNAL`.
    stop_signal: Option<String>,
    /// The command of `HEALTHCHECK`.
    health_command: Vec<String>,
    /// How its health is judged where a deploy names no path, for people.
    #[schema(example = "connection to port 8080")]
    health_check: String,
    /// `LABEL`s.
    labels: BTreeMap<String, String>,
    /// When the image was built, where it says so.
    #[schema(value_type = Option<String>, format = DateTime)]
    created: Option<Timestamp>,
}

impl From<ResolvedImage> for Image {
    fn from(image: ResolvedImage) -> Self {
        Self {
            docker_image: image.reference.to_string(),
            image_registry: image.reference.host().to_string(),
            image_name: image.reference.repository().to_string(),
            image_tag: image.reference.tag().map(ToString::to_string),
            image_digest: image.digest.to_string(),
            manifest_digest: image.manifest.to_string(),
            platform: image.platform.to_string(),
            platforms: image.platforms.iter().map(ToString::to_string).collect(),
            size_bytes: image.size_bytes,
            layers: image.layers,
            config: ImageConfig::from(image.config),
        }
    }
}

impl From<core::ImageConfig> for ImageConfig {
    fn from(config: core::ImageConfig) -> Self {
        let port = config.ports.first().copied().unwrap_or(core::DEFAULT_PORT);
        Self {
            health_check: core::Check::of(&core::Probe::default(), &config, Some(port)).to_string(),
            entrypoint: config.entrypoint,
            command: config.command,
            environment: config.environment,
            working_directory: config.working_directory,
            user: config.user,
            exposed_ports: config.ports.into_iter().map(core::Port::get).collect(),
            volumes: config.volumes,
            stop_signal: config.stop_signal,
            health_command: config.health_command,
            labels: config.labels,
            created: config.created,
        }
    }
}
