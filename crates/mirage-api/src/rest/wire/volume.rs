//! Volumes, and where services have them.

use jiff::Timestamp;
use mirage_control::VolumeView;
use mirage_core as core;
use mirage_core::{Error, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A volume of a service.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Mount {
    /// The volume's name, unique in its environment; it is made if it is not there.
    #[schema(example = "data")]
    name: String,
    /// Where its processes find it: absolute, without `..`.
    #[schema(example = "/var/lib/postgresql/data")]
    path: String,
}

/// A folder that outlives whoever writes to it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Volume {
    /// Identity.
    id: String,
    /// Unique among those of its environment that were not removed.
    name: String,
    /// The project's name.
    project: String,
    /// The environment's name.
    environment: String,
    /// The name of the service that it belongs to.
    service: Option<String>,
    /// Where that service has it; null where it does not mount it now.
    path: Option<String>,
    /// Bytes on the disk; null where it has no data yet, or was not measured.
    size_bytes: Option<u64>,
    /// Whether it was measured: of a list only the first few are.
    size_is_measured: bool,
    /// Whether it holds more than was counted.
    size_is_partial: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was removed, if it was.
    #[schema(value_type = Option<String>, format = DateTime)]
    removed_at: Option<Timestamp>,
    /// Until when its removal can be taken back; after that the data is deleted.
    #[schema(value_type = Option<String>, format = DateTime)]
    purged_at: Option<Timestamp>,
}

/// Mounts in the words of [`mirage_core`].
pub(crate) fn mounts(given: Vec<Mount>) -> Result<Vec<core::VolumeMount>> {
    let mount = |(at, mount): (usize, Mount)| {
        let named = |field: &str, error: Error| error.field(format!("volumes[{at}].{field}"));
        Ok(core::VolumeMount {
            volume: mount.name.parse().map_err(|error| named("name", error))?,
            path: mount.path.parse().map_err(|error| named("path", error))?,
        })
    };
    given.into_iter().enumerate().map(mount).collect()
}

impl From<&core::VolumeMount> for Mount {
    fn from(mount: &core::VolumeMount) -> Self {
        Self { name: mount.volume.to_string(), path: mount.path.to_string() }
    }
}

impl From<VolumeView> for Volume {
    fn from(view: VolumeView) -> Self {
        let VolumeView { volume, project, environment, service, path, size, is_measured } = view;
        Self {
            id: volume.id.to_string(),
            project: project.to_string(),
            environment: environment.to_string(),
            service: service.map(|name| name.to_string()),
            path: path.map(|path| path.to_string()),
            size_bytes: size.map(|size| size.bytes),
            size_is_measured: is_measured,
            size_is_partial: size.is_some_and(|size| !size.complete),
            created_at: volume.created_at,
            removed_at: volume.removed_at,
            purged_at: volume.purged_at(),
            name: volume.name.to_string(),
        }
    }
}
