//! What this machine means for containers.

use std::fs;
use std::path::Path;

use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};

use super::Inner;
use crate::cgroup::Version;
use crate::finding::Finding;

/// Everything, in the order in which a reader wants it.
pub(super) fn findings(inner: &Inner) -> Vec<Finding> {
    let mut findings =
        vec![runtime(inner), groups(inner), namespaces(), overlay(), writable(inner), seccomp()];
    findings.extend(inner.network.doctor());
    findings
}

fn runtime(inner: &Inner) -> Finding {
    const SUBJECT: &str = "runtime";
    let Some(path) = &inner.runtime else { return Finding::good(SUBJECT, "built in") };
    match nix::unistd::access(path, nix::unistd::AccessFlags::X_OK) {
        Ok(()) => Finding::good(SUBJECT, format!("`{}`", path.display())),
        Err(error) => Finding::bad(
            SUBJECT,
            format!("`{}` cannot be executed: {}", path.display(), error.desc()),
            "name an OCI runtime by its whole path, or leave `--runtime` out",
        ),
    }
}

fn groups(inner: &Inner) -> Finding {
    const SUBJECT: &str = "control groups";
    let version = match inner.hierarchies.version() {
        Version::V1 => "version 1",
        Version::Hybrid => "version 1 with a unified hierarchy beside it",
        Version::V2 => "version 2",
    };
    let missing: Vec<&str> =
        ["memory", "cpu", "pids"].into_iter().filter(|name| !inner.hierarchies.has(name)).collect();
    match missing.is_empty() {
        true => Finding::good(SUBJECT, version),
        false => Finding::warning(
            SUBJECT,
            format!("{version}, but without `{}`: limits on it do not work", missing.join("`, `")),
            "switch the controllers on, for example by `cgroup_enable=memory` on the kernel's command line",
        ),
    }
}

fn namespaces() -> Finding {
    const SUBJECT: &str = "namespaces";
    let kinds = ["pid", "mnt", "net", "uts", "ipc", "cgroup"];
    let missing: Vec<&str> =
        kinds.into_iter().filter(|kind| !Path::new("/proc/self/ns").join(kind).exists()).collect();
    match missing.as_slice() {
        [] => Finding::good(SUBJECT, "all kinds"),
        missing => Finding::bad(
            SUBJECT,
            format!("the kernel was built without `{}`", missing.join("`, `")),
            "use a kernel of a distribution",
        ),
    }
}

fn overlay() -> Finding {
    const SUBJECT: &str = "overlay";
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    match known.lines().any(|line| line.ends_with("\toverlay")) {
        true => Finding::good(SUBJECT, "the kernel can stack an image's layers"),
        false => Finding::bad(SUBJECT, "the kernel cannot stack an image's layers", "`modprobe overlay`"),
    }
}

fn writable(inner: &Inner) -> Finding {
    const SUBJECT: &str = "data folder";
    let folder = inner.places.writable.display();
    match statfs(&inner.places.writable) {
        Ok(stat) if stat.filesystem_type() == OVERLAYFS_SUPER_MAGIC => Finding::bad(
            SUBJECT,
            format!("`{folder}` is on an overlay itself, on which containers cannot write"),
            "name a folder on an ordinary file system: `--data-dir`",
        ),
        Ok(_) => Finding::good(SUBJECT, format!("containers write to `{folder}`")),
        Err(error) => Finding::bad(
            SUBJECT,
            format!("`{folder}` cannot be used: {}", error.desc()),
            "name another one: `--data-dir`",
        ),
    }
}

fn seccomp() -> Finding {
    const SUBJECT: &str = "seccomp";
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    match actions.split_ascii_whitespace().any(|action| action == "errno") {
        true => Finding::good(SUBJECT, "system calls of containers are filtered"),
        false => Finding::bad(
            SUBJECT,
            "the kernel cannot filter system calls",
            "use a kernel of a distribution (CONFIG_SECCOMP_FILTER)",
        ),
    }
}
