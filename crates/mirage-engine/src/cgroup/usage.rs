//! What a control group uses and has suffered.

use super::group::{Cgroup, Directory, read};

/// What the processes of a group use together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Memory in bytes, page cache included.
    pub memory_bytes: u64,
    /// The same less the file cache that the kernel would take first.
    pub working_set_bytes: u64,
    /// Processor time since the group was made, in microseconds.
    pub cpu_micros: u64,
    /// Processes and threads.
    pub tasks: u64,
}

/// Kills for the memory limit (`memory.events` on v2, `memory.oom_control` on v1). The group is
/// asked, not its parents, so a machine that is out of memory does not count.
pub(super) fn oom_kills(group: &Cgroup) -> u64 {
    let file = |unified| if unified { "memory.events" } else { "memory.oom_control" };
    group
        .with("memory")
        .and_then(|directory| keyed(directory, file(directory.unified), "oom_kill"))
        .unwrap_or(0)
}

pub(super) fn read_usage(group: &Cgroup) -> Usage {
    let memory = |directory: &Directory| {
        let file = if directory.unified { "memory.current" } else { "memory.usage_in_bytes" };
        single(directory, file)
    };
    let cpu = |directory: &Directory| {
        if directory.unified {
            keyed(directory, "cpu.stat", "usage_usec")
        } else {
            single(directory, "cpuacct.usage").map(|nanos| nanos / 1000)
        }
    };
    let idle_cache = |directory: &Directory| {
        let key = if directory.unified { "inactive_file" } else { "total_inactive_file" };
        keyed(directory, "memory.stat", key)
    };
    let memory_bytes = group.with("memory").and_then(memory).unwrap_or(0);
    let idle_bytes = group.with("memory").and_then(idle_cache).unwrap_or(0);
    let accounting = group.with("cpuacct").or_else(|| group.with("cpu"));
    Usage {
        memory_bytes,
        working_set_bytes: memory_bytes.saturating_sub(idle_bytes),
        cpu_micros: accounting.and_then(cpu).unwrap_or(0),
        tasks: group.with("pids").and_then(|directory| single(directory, "pids.current")).unwrap_or(0),
    }
}

fn single(directory: &Directory, file: &str) -> Option<u64> {
    read(&directory.path.join(file)).ok()?.trim().parse().ok()
}

fn keyed(directory: &Directory, file: &str, key: &str) -> Option<u64> {
    let text = read(&directory.path.join(file)).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}
