//! What a container finds mounted, in this order.

use serde_json::{Value, json};

use super::{Container, GroupView, Reader};
use crate::shim::BoundVolume;
use crate::volume::Place;

pub(super) fn mounts(container: &Container<'_>) -> Value {
    let mut mounts = vec![
        mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
    ];
    mounts.extend(groups(&container.reader));
    mounts.extend([
        mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
    ]);
    mounts.extend(container.volumes.iter().map(volume));
    let files = container.spec.files.iter();
    mounts.extend(files.map(|file| bind(&json!(file.target), &json!(file.source))));
    Value::Array(mounts)
}

fn groups(reader: &Reader) -> Vec<Value> {
    const HARMLESS: [&str; 4] = ["nosuid", "noexec", "nodev", "ro"];
    match reader {
        Reader::Program { .. } => vec![mount("/sys/fs/cgroup", "cgroup", &HARMLESS)],
        Reader::Embedded { groups: GroupView::Unified } => {
            vec![mount("/sys/fs/cgroup", "cgroup2", &HARMLESS)]
        }
        // libcontainer would bind each controller's directory writable, and a container's root
        // could lift its own limits.
        Reader::Embedded { groups: GroupView::Separate { frame, bound } } => {
            let mut mounts = vec![bind(&json!("/sys/fs/cgroup"), &json!(frame))];
            let each = bound.iter();
            mounts.extend(
                each.map(|(name, from)| bind(&json!(format!("/sys/fs/cgroup/{name}")), &json!(from))),
            );
            mounts
        }
    }
}

fn mount(destination: &str, kind: &str, options: &[&str]) -> Value {
    json!({ "destination": destination, "type": kind, "source": kind, "options": options })
}

/// Writable, and still no place for devices or for programs that make their caller somebody else.
fn volume(volume: &BoundVolume) -> Value {
    json!({
        "destination": volume.target,
        "type": "bind",
        "source": Place::new(&volume.folder).data(),
        "options": ["bind", "rprivate", "nosuid", "nodev", "rw"],
    })
}

/// Read-only, because what a container writes through a bound file lands on the host.
fn bind(destination: &Value, source: &Value) -> Value {
    json!({
        "destination": destination,
        "type": "bind",
        "source": source,
        "options": ["bind", "rprivate", "nosuid", "noexec", "nodev", "ro"],
    })
}
