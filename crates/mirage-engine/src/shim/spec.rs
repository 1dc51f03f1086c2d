//! What control tells a shim to run.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use mirage_core::{DeploymentId, InstanceId, Resources, ServiceId, VolumeId};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Everything a shim needs to run one container. Control writes it as `spec.json` (mode 0600) into
/// the instance's folder before it starts the shim, all but [`Process::variables`]: those often are
/// secret, and come by the shim's standard input as a JSON list of pairs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShimSpec {
    /// The instance.
    pub instance: InstanceId,
    /// The service it belongs to; the shim only hands this on in its state.
    pub service: ServiceId,
    /// The deployment it belongs to; the shim only hands this on in its state.
    pub deployment: DeploymentId,
    /// What is executed.
    pub process: Process,
    /// Directories of the image's layers, topmost first, at least one and at most 127.
    pub layers: Vec<PathBuf>,
    /// An existing folder on an ordinary file system, in which the shim makes `upper` and `work`:
    /// what the container writes. Control removes it after the shim has ended.
    pub writable: PathBuf,
    /// The prepared network namespace, as a file that can be joined.
    pub network_namespace: PathBuf,
    /// Host name in the container.
    pub hostname: String,
    /// Files of the host that replace files of the image: `/etc/resolv.conf`, `/etc/hosts`,
    /// `/etc/hostname`.
    pub files: Vec<BoundFile>,
    /// Folders that outlive the instance.
    #[serde(default)]
    pub volumes: Vec<BoundVolume>,
    /// Limits.
    pub resources: Resources,
    /// Whether setuid programs and file capabilities work.
    pub allow_new_privileges: bool,
    /// Where its output goes.
    pub log: LogPlace,
    /// The control group, absolute and the same in every hierarchy: `/mirage-<node>/<instance>`.
    pub cgroup: String,
    /// An OCI runtime (`runc`, `crun`, `runsc`) to use instead of the built-in one.
    #[serde(default)]
    pub runtime: Option<PathBuf>,
    /// Seconds after which a start that has not led to a running process is given up.
    pub start_seconds: u32,
    /// Milliseconds between stop signal and kill where the shim itself is told to end (SIGTERM, or
    /// its folder vanished); a [`super::Request::Stop`] brings its own.
    pub grace_millis: u64,
}

/// The process of a container, in the image's own terms.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Program and arguments; the program is looked up in the image's `PATH`.
    pub arguments: Vec<String>,
    /// The whole environment. `PATH` and `HOME` are added where absent.
    #[serde(skip)]
    pub variables: Vec<(String, String)>,
    /// `USER` of the image: `user`, `uid`, `user:group` or `uid:gid`; empty means root.
    pub user: String,
    /// `WORKDIR` of the image; empty means `/`. Made where it is missing.
    pub working_directory: String,
    /// `STOPSIGNAL` of the image, by name or number; `None` means SIGTERM.
    pub stop_signal: Option<String>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("arguments", &self.arguments)
            .field("variables", &self.variables.len())
            .field("user", &self.user)
            .field("working_directory", &self.working_directory)
            .field("stop_signal", &self.stop_signal)
            .finish()
    }
}

/// A file of the host, bound over a file of the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundFile {
    /// On the host.
    pub source: PathBuf,
    /// In the container, absolute.
    pub target: PathBuf,
}

/// A volume, bound over a folder of the image. The shim holds it as long as its container lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundVolume {
    /// Which.
    pub id: VolumeId,
    /// Its folder on the host; `data` in it is what is bound.
    pub folder: PathBuf,
    /// In the container, absolute and clean. Links of the image on the way are followed inside it.
    pub target: PathBuf,
}

/// Where the output of an instance is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPlace {
    /// The instance's own folder of log segments; made where it is missing.
    pub directory: PathBuf,
    /// Bytes kept of this instance.
    pub max_bytes: u64,
}

/// Name of the file in the instance's folder that holds the [`ShimSpec`].
const SPEC_FILE: &str = "spec.json";

/// The largest spec, in bytes. The kernel takes arguments and variables of 2 MiB.
const MAX_SPEC: u64 = 8 << 20;

impl ShimSpec {
    /// The place of the spec in an instance's folder.
    pub fn path(dir: &Path) -> PathBuf {
        dir.join(SPEC_FILE)
    }

    /// Reads the spec of an instance's folder, but for its variables.
    ///
    /// # Errors
    /// Whatever reading the file gives; `InvalidData` where it is no spec.
    pub fn without_variables(dir: &Path) -> io::Result<Self> {
        let mut bytes = Vec::new();
        File::open(Self::path(dir))?.take(MAX_SPEC).read_to_end(&mut bytes)?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// Reads the spec of an instance's folder, and its variables from `given`.
    pub(super) fn read(dir: &Path, given: impl Read) -> io::Result<Self> {
        let mut spec = Self::without_variables(dir)?;
        let mut variables = Zeroizing::new(Vec::new());
        given.take(MAX_SPEC).read_to_end(&mut variables)?;
        spec.process.variables = serde_json::from_slice(&variables)?;
        Ok(spec)
    }
}
