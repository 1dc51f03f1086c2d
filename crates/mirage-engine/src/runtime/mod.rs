//! The two ways to run a container: libcontainer in our own process, and any OCI runtime by name.

mod embedded;
mod executor;
mod failure;
mod program;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

pub(crate) use embedded::Embedded;
pub(crate) use program::Program;

use crate::cgroup::{Cgroup, Version};
use crate::rootfs::ContainerUser;
use crate::shim::{BoundVolume, ShimSpec};

/// A container that only has to be started. Everything that can be found wrong beforehand is right.
pub(crate) struct Ready<'a> {
    /// What control asked for.
    pub(crate) spec: &'a ShimSpec,
    /// A folder in a mount namespace that ends with the calling process: for `config.json` and
    /// whatever the runtime keeps.
    pub(crate) scratch: &'a Path,
    /// The mounted root file system.
    pub(crate) root: &'a Path,
    /// Who the process runs as.
    pub(crate) user: &'a ContainerUser,
    /// The program's path in the container.
    pub(crate) program: &'a Path,
    /// Absolute and clean; it exists.
    pub(crate) working_directory: &'a Path,
    /// The volumes where they go, filled.
    pub(crate) volumes: &'a [BoundVolume],
    /// `NAME=value`, complete.
    pub(crate) environment: &'a [String],
    /// The control group.
    pub(crate) group: &'a Cgroup,
    /// How this machine's control groups are laid out.
    pub(crate) version: Version,
    /// The most open files that this process may grant.
    pub(crate) open_files: u64,
    /// Folders of this machine that are masked besides those that every machine has.
    pub(crate) masked: &'a [String],
    /// Where the process writes.
    pub(crate) output: Output,
}

/// The writing ends of a container's output.
pub(crate) struct Output {
    /// Standard output.
    pub(crate) stdout: OwnedFd,
    /// Standard error.
    pub(crate) stderr: OwnedFd,
}

/// Something that runs containers. Only starting differs: signals, the end, and what is left then
/// are the kernel's matter, and the same for all.
///
/// It is called in a process of its own, single-threaded, in a private mount namespace, whose parent
/// is the subreaper that will wait for the container's first process.
pub(crate) trait Runtime {
    /// Starts the container and answers with its first process, as soon as its program has been
    /// executed.
    ///
    /// # Errors
    /// A sentence for the user: why it does not run.
    fn start(&self, ready: Ready<'_>) -> Result<i32, String>;
}

/// The runtime that a spec asks for.
pub(crate) fn choose(spec: &ShimSpec) -> Box<dyn Runtime> {
    match &spec.runtime {
        None => Box::new(Embedded),
        Some(path) => Box::new(Program(PathBuf::from(path))),
    }
}

/// Where the specification is, in a scratch folder.
fn write_config(scratch: &Path, config: &serde_json::Value) -> Result<(), String> {
    let bytes = serde_json::to_vec(config).map_err(|error| error.to_string())?;
    std::fs::write(scratch.join("config.json"), bytes)
        .map_err(|error| format!("Mirage could not write the container's specification: {error}"))
}
