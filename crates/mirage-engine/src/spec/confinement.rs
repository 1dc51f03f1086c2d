//! What keeps a container in: Docker's defaults, as of moby 28.

use mirage_core::Resources;
use oci_spec::runtime::Capability;
use serde_json::{Value, json};

use super::{Container, GroupView, Reader};
use crate::cgroup::ALLOWED_DEVICES;

/// What a container's root may do.
pub(crate) const CAPABILITIES: [Capability; 14] = [
    Capability::AuditWrite,
    Capability::Chown,
    Capability::DacOverride,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::Mknod,
    Capability::NetBindService,
    Capability::NetRaw,
    Capability::Setfcap,
    Capability::Setgid,
    Capability::Setpcap,
    Capability::Setuid,
    Capability::SysChroot,
];

/// Paths that show nothing of the host.
pub(super) const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Paths that change nothing of the host.
pub(super) const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Capability sets. Where programs may gain privileges the kernel takes a seccomp filter only from
/// CAP_SYS_ADMIN, so our executor gets it, outside of the bounding set, and drops it before it
/// executes the container's program.
pub(super) fn capabilities(container: &Container<'_>) -> Value {
    let mut held = CAPABILITIES.to_vec();
    if container.spec.allow_new_privileges && matches!(container.reader, Reader::Embedded { .. }) {
        held.push(Capability::SysAdmin);
    }
    json!({
        "bounding": CAPABILITIES,
        "effective": held,
        "permitted": held,
        "inheritable": [],
        "ambient": [],
    })
}

pub(super) fn namespaces(container: &Container<'_>) -> Value {
    let mut namespaces = vec![
        json!({ "type": "pid" }),
        json!({ "type": "network", "path": container.spec.network_namespace }),
        json!({ "type": "ipc" }),
        json!({ "type": "uts" }),
        json!({ "type": "mount" }),
    ];
    if unified(container) {
        namespaces.push(json!({ "type": "cgroup" }));
    }
    Value::Array(namespaces)
}

/// Whether the container lives in one v2 control group.
pub(super) fn unified(container: &Container<'_>) -> bool {
    match &container.reader {
        Reader::Embedded { groups } => matches!(groups, GroupView::Unified),
        Reader::Program { unified, .. } => *unified,
    }
}

/// Limits, for a runtime that sets them itself.
pub(super) fn resources(resources: &Resources) -> Value {
    let mut rules = vec![json!({ "allow": false, "access": "rwm" })];
    rules.extend(["c", "b"].map(|kind| json!({ "allow": true, "type": kind, "access": "m" })));
    rules.extend(ALLOWED_DEVICES.iter().map(|device| {
        let mut rule = json!({ "allow": true, "type": "c", "major": device.major, "access": "rwm" });
        if let Some(minor) = device.minor {
            rule["minor"] = json!(minor);
        }
        rule
    }));
    let mut value = json!({ "devices": rules, "pids": { "limit": resources.pids } });
    if let Some(bytes) = resources.memory_bytes {
        value["memory"] = json!({ "limit": bytes, "swap": bytes });
    }
    if let Some(millis) = resources.cpu_millis {
        value["cpu"] = json!({ "quota": (u64::from(millis) * 100).max(1000), "period": 100_000 });
    }
    value
}
