//! Limits of a control group.

use std::fs;
use std::io;
use std::path::Path;

use mirage_core::Resources;

use super::group::{Cgroup, Directory};

/// Length of the period in which processor time is counted, in microseconds: the kernel's default.
const CPU_PERIOD: u64 = 100_000;

/// The smallest quota the kernel takes, in microseconds.
const CPU_QUOTA_MIN: u64 = 1_000;

pub(super) fn apply(group: &Cgroup, resources: &Resources) -> io::Result<()> {
    if let Some(bytes) = resources.memory_bytes {
        limit_memory(required(group, "memory")?, bytes)?;
    }
    if let Some(millis) = resources.cpu_millis {
        limit_cpu(required(group, "cpu")?, millis)?;
    }
    fs::write(required(group, "pids")?.path.join("pids.max"), resources.pids.to_string())
}

fn required<'a>(group: &'a Cgroup, controller: &str) -> io::Result<&'a Directory> {
    group.with(controller).ok_or_else(|| {
        let message =
            format!("this machine has no `{controller}` control group controller, which the limit needs");
        io::Error::new(io::ErrorKind::Unsupported, message)
    })
}

/// The limit holds for memory and swap together, so a container cannot swap its way past it.
fn limit_memory(directory: &Directory, bytes: u64) -> io::Result<()> {
    let (memory, swap, swap_value) = if directory.unified {
        ("memory.max", "memory.swap.max", "0".to_owned())
    } else {
        ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", bytes.to_string())
    };
    fs::write(directory.path.join(memory), bytes.to_string())?;
    // The file is missing where the kernel does not count swap.
    write_if_there(&directory.path.join(swap), &swap_value)
}

fn limit_cpu(directory: &Directory, millis: u32) -> io::Result<()> {
    let quota = (u64::from(millis) * CPU_PERIOD / 1000).max(CPU_QUOTA_MIN);
    if directory.unified {
        return fs::write(directory.path.join("cpu.max"), format!("{quota} {CPU_PERIOD}"));
    }
    fs::write(directory.path.join("cpu.cfs_period_us"), CPU_PERIOD.to_string())?;
    fs::write(directory.path.join("cpu.cfs_quota_us"), quota.to_string())
}

fn write_if_there(path: &Path, value: &str) -> io::Result<()> {
    if path.exists() { fs::write(path, value) } else { Ok(()) }
}
