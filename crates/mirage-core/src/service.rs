//! Services: what a user asked to have running.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{EnvironmentId, ServiceId};
use crate::image::reference::Reference;
use crate::name::Name;
use crate::probe::Probe;
use crate::resources::Resources;
use crate::rollout::{RestartPolicy, Rollout};
use crate::variable::{VariableName, VariableValue};
use crate::volume::VolumeMount;

/// A TCP port, 1 to 65535.
pub type Port = std::num::NonZeroU16;

/// Something that runs in an environment and answers at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Identity.
    pub id: ServiceId,
    /// The environment it runs in.
    pub environment: EnvironmentId,
    /// Unique in its environment.
    pub name: Name,
    /// First label of its address, unique on the platform.
    pub host: String,
    /// What was asked for last.
    pub spec: ServiceSpec,
    /// How many instances are wanted.
    pub replicas: u32,
    /// Counts restarts asked for by users; instances of an older count are replaced.
    pub generation: u64,
    /// Whether pushes of its tag set nothing off, because it was rolled back since its last deploy.
    pub auto_deploy_paused: bool,
    /// Whether the service is on its way out.
    pub removed: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When anything above last changed.
    pub updated_at: Timestamp,
}

/// What a service consists of; with the image resolved, this becomes a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// Where the software comes from.
    pub source: Source,
    /// Ports the process listens on, the routed one first. `None` takes the image's; an empty list
    /// makes the service a worker that gets no traffic.
    #[serde(default)]
    pub ports: Option<Vec<Port>>,
    /// Environment variables.
    #[serde(default)]
    pub variables: BTreeMap<VariableName, VariableValue>,
    /// Replaces the image's command, not its entrypoint.
    #[serde(default)]
    pub command: Option<Vec<String>>,
    /// How health is judged.
    #[serde(default)]
    pub probe: Probe,
    /// Limits of each instance.
    #[serde(default)]
    pub resources: Resources,
    /// What happens when the process exits.
    #[serde(default)]
    pub restart: RestartPolicy,
    /// Whether programs may gain privileges by setuid bits and file capabilities.
    #[serde(default)]
    pub allow_new_privileges: bool,
    /// Whether it is deployed by itself when its tag is pushed to the built-in registry.
    #[serde(default)]
    pub auto_deploy: bool,
    /// How it changes from one deployment to the next.
    #[serde(default)]
    pub rollout: Rollout,
    /// Its volumes, and where they are.
    #[serde(default)]
    pub volumes: Vec<VolumeMount>,
    /// Seconds between the stop signal and the kill.
    #[serde(default = "default_grace")]
    pub stop_grace_seconds: u32,
}

fn default_grace() -> u32 {
    10
}

impl ServiceSpec {
    /// A service from an image, everything else by default.
    pub fn image(reference: Reference) -> Self {
        Self {
            source: Source::Image(reference),
            ports: None,
            variables: BTreeMap::new(),
            command: None,
            probe: Probe::default(),
            resources: Resources::default(),
            restart: RestartPolicy::default(),
            allow_new_privileges: false,
            auto_deploy: false,
            rollout: Rollout::default(),
            volumes: Vec::new(),
            stop_grace_seconds: default_grace(),
        }
    }

    /// Whether one instance must have ended before another one begins: a volume has one writer.
    pub fn is_exclusive(&self) -> bool {
        !self.volumes.is_empty()
    }
}

/// Where the software of a service comes from; never two places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// A container image.
    Image(Reference),
}
