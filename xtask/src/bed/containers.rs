//! The containers of a platform as the kernel knows them.

use std::path::{Path, PathBuf};

use super::residue;

/// A container that runs, by its first process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Container {
    /// The instance, by the name of its control group.
    pub instance: String,
    /// Its first process, seen from the host.
    pub pid: u32,
    /// What stands in the file `/version` of its root, as `/proc/<pid>/root` shows it.
    pub version: String,
}

/// Every container of the platform in this data folder that has a process: whoever is process 1 of a
/// namespace and in one of the platform's control groups.
pub fn containers(data: &Path) -> Vec<Container> {
    let Some(node) = residue::node_of(data) else { return Vec::new() };
    let mark = format!("/mirage-{node}/");
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut found: Vec<Container> = ids.filter_map(|pid| container(pid, &mark)).collect();
    found.sort();
    found
}

fn container(pid: u32, mark: &str) -> Option<Container> {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let groups = std::fs::read_to_string(folder.join("cgroup")).ok()?;
    let instance = groups.lines().find_map(|line| line.split_once(mark))?.1;
    let status = std::fs::read_to_string(folder.join("status")).ok()?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let first = field("NSpid:")?.split_whitespace().last()? == "1";
    let zombie = field("State:")?.starts_with('Z');
    let version = std::fs::read_to_string(folder.join("root/version")).unwrap_or_default();
    (first && !zombie).then(|| Container {
        instance: instance.to_owned(),
        pid,
        version: version.trim().to_owned(),
    })
}
