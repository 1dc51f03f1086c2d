//! The OCI runtime specification of a container (`config.json`), from what control asked for and
//! what was found in the image. Pure: nothing here looks at the machine.

mod confinement;
mod mounts;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub(crate) use confinement::CAPABILITIES;

use crate::rootfs::ContainerUser;
use crate::shim::{BoundVolume, ShimSpec};

/// What a specification is made from.
pub(crate) struct Container<'a> {
    /// What control asked for.
    pub(crate) spec: &'a ShimSpec,
    /// The mounted root file system.
    pub(crate) root: &'a Path,
    /// Who the process runs as.
    pub(crate) user: &'a ContainerUser,
    /// `NAME=value`, complete.
    pub(crate) environment: &'a [String],
    /// Absolute and clean.
    pub(crate) working_directory: &'a Path,
    /// The volumes where they go.
    pub(crate) volumes: &'a [BoundVolume],
    /// The most open files that this process may grant.
    pub(crate) open_files: u64,
    /// Folders of this machine that are masked besides those that every machine has.
    pub(crate) masked: &'a [String],
    /// Who will read it.
    pub(crate) reader: Reader,
}

/// Who reads a specification.
pub(crate) enum Reader {
    /// The built-in runtime: control groups are made by us, and the seccomp filter is installed by
    /// our own code inside the container.
    Embedded {
        /// How the container sees its control groups.
        groups: GroupView,
    },
    /// A program such as runc, which does all of it itself.
    Program {
        /// `linux.seccomp`.
        seccomp: Value,
        /// Whether the machine has only v2 control groups.
        unified: bool,
    },
}

/// How a container sees its control groups at `/sys/fs/cgroup`, always read-only.
pub(crate) enum GroupView {
    /// v2: a namespace of its own.
    Unified,
    /// v1: its own directory of each controller, by name, bound from here.
    Separate {
        /// An empty folder with a folder for each name in it.
        frame: PathBuf,
        /// Name of the controller, and where its directory is.
        bound: Vec<(String, PathBuf)>,
    },
}

/// Writes the specification.
pub(crate) fn build(container: &Container<'_>) -> Value {
    json!({
        "ociVersion": "1.0.2",
        "root": { "path": container.root, "readonly": false },
        "hostname": container.spec.hostname,
        "mounts": mounts::mounts(container),
        "process": process(container),
        "linux": linux(container),
    })
}

/// How much likelier than the platform itself a container is to be killed when the whole machine is
/// out of memory: as if it used 10 % of the memory more.
pub(crate) const OOM_SCORE: i32 = 100;

fn process(container: &Container<'_>) -> Value {
    let spec = container.spec;
    json!({
        "terminal": false,
        "user": {
            "uid": container.user.uid,
            "gid": container.user.gid,
            "additionalGids": container.user.groups,
        },
        "args": spec.process.arguments,
        "env": container.environment,
        "cwd": container.working_directory,
        "capabilities": confinement::capabilities(container),
        "rlimits": [
            { "type": "RLIMIT_CORE", "hard": 0, "soft": 0 },
            { "type": "RLIMIT_NOFILE", "hard": container.open_files, "soft": container.open_files },
        ],
        "noNewPrivileges": !spec.allow_new_privileges,
        "oomScoreAdj": OOM_SCORE,
    })
}

fn linux(container: &Container<'_>) -> Value {
    let masked: Vec<&str> =
        confinement::MASKED.into_iter().chain(container.masked.iter().map(String::as_str)).collect();
    let mut linux = json!({
        "namespaces": confinement::namespaces(container),
        "cgroupsPath": container.spec.cgroup,
        "sysctl": {
            "net.ipv4.ip_unprivileged_port_start": "0",
            "net.ipv4.ping_group_range": "0 2147483647",
        },
        "maskedPaths": masked,
        "readonlyPaths": confinement::READ_ONLY,
    });
    if let Reader::Program { seccomp, .. } = &container.reader {
        linux["resources"] = confinement::resources(&container.spec.resources);
        linux["seccomp"] = seccomp.clone();
    }
    linux
}

#[cfg(test)]
mod tests;
