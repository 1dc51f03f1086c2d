//! Instances: containers of a deployment.

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{DeploymentId, EnvironmentId, InstanceId, ServiceId, VolumeId};
use crate::image::resolved::ResolvedImage;
use crate::name::Name;
use crate::resources::Resources;
use crate::service::Port;
use crate::variable::VariableText;
use crate::volume::MountPath;

/// What Mirage remembers of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Identity.
    pub id: InstanceId,
    /// The service.
    pub service: ServiceId,
    /// The deployment.
    pub deployment: DeploymentId,
    /// Place among the replicas, from 0.
    pub ordinal: u32,
    /// The service's generation when it was started.
    pub generation: u64,
    /// How many instances failed at this place in a row before it.
    pub attempt: u32,
    /// When starting it was decided.
    pub created_at: Timestamp,
    /// How it ended.
    pub exit: Option<Exit>,
    /// Whether it ended because it was asked to.
    pub stopped: bool,
}

/// Everything an engine needs to start an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceSpec {
    /// Identity.
    pub id: InstanceId,
    /// The service.
    pub service: ServiceId,
    /// Its name, under which its siblings reach it.
    pub service_name: Name,
    /// The deployment.
    pub deployment: DeploymentId,
    /// The environment, and so the network.
    pub environment: EnvironmentId,
    /// Number of the environment's network, unique on the platform.
    pub network: u16,
    /// The image; it must be present.
    pub image: ResolvedImage,
    /// What is executed.
    pub arguments: Vec<String>,
    /// The whole environment of the process.
    pub variables: Vec<(String, VariableText)>,
    /// Ports the process listens on.
    pub ports: Vec<Port>,
    /// Limits.
    pub resources: Resources,
    /// Whether programs may gain privileges.
    pub allow_new_privileges: bool,
    /// The volumes it gets.
    pub volumes: Vec<MountedVolume>,
    /// Where its output goes.
    pub log: LogPolicy,
}

/// A volume of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountedVolume {
    /// Whose data it is.
    pub id: VolumeId,
    /// Where the processes find it.
    pub path: MountPath,
}

/// How much output is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPolicy {
    /// Bytes kept of this instance.
    pub max_bytes: u64,
    /// Bytes kept of all instances of the service, those that ended included. Half of it is for those
    /// that run.
    pub service_bytes: u64,
}

/// What an engine knows of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceReport {
    /// Identity.
    pub id: InstanceId,
    /// The service it was started for.
    pub service: ServiceId,
    /// The deployment it was started for.
    pub deployment: DeploymentId,
    /// How it is.
    pub state: InstanceState,
    /// Where it can be reached from this machine.
    pub address: Option<IpAddr>,
    /// Its first process, seen from the host.
    pub pid: Option<u32>,
}

/// How an instance is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstanceState {
    /// On its way up.
    Starting,
    /// Its process runs.
    Running {
        /// Since when.
        since: Timestamp,
    },
    /// Asked to stop, not yet gone.
    Stopping,
    /// Its process is gone.
    Exited(Exit),
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code, where it exited by itself.
    pub code: Option<i32>,
    /// Signal number, where a signal ended it.
    pub signal: Option<i32>,
    /// Whether the kernel killed it for its memory limit.
    pub oom: bool,
    /// Why it never ran: no such program, no such user, …
    #[serde(default)]
    pub start_error: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl Exit {
    /// Whether the process says itself that all went well.
    pub fn is_success(&self) -> bool {
        self.code == Some(0) && self.start_error.is_none()
    }

    /// Whether nobody saw how it ended: the machine was restarted, or its shim was killed.
    pub fn is_vanished(&self) -> bool {
        self.code.is_none() && self.signal.is_none() && !self.oom && self.start_error.is_none()
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.start_error.as_deref(), self.oom, self.code, self.signal) {
            (Some(why), ..) => f.write_str(why),
            (_, true, ..) => f.write_str("out of memory"),
            (_, _, Some(code), _) => write!(f, "exit code {code}"),
            (_, _, None, Some(signal)) => write!(f, "killed by signal {signal}"),
            (_, _, None, None) => f.write_str("vanished"),
        }
    }
}
