//! What must hold when everything has come to rest, asked of the kernel and the disk.

use std::collections::BTreeSet;
use std::path::Path;

use crate::bed::{Container, Platform, containers, residue};

/// Network namespaces that control keeps ready.
const POOL: usize = 4;

/// What is to run of a service.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What its versions begin with.
    pub prefix: String,
    /// The version of its last deployment that succeeded.
    pub version: String,
    /// How often.
    pub replicas: usize,
}

/// Everything that is not as it must be; empty where all is well.
pub fn violations(platform: &Platform, wanted: &[Wanted]) -> Vec<String> {
    let data = platform.data();
    let running = containers(&data);
    let mut found = Vec::new();
    found.extend(wanted.iter().filter_map(|wanted| of_service(wanted, &running)));
    let known = |one: &&Container| wanted.iter().any(|wanted| one.version.starts_with(&wanted.prefix));
    found.extend(running.iter().filter(|one| !known(one)).map(|one| format!("a stranger runs: {one:?}")));
    let ids: BTreeSet<&str> = running.iter().map(|one| one.instance.as_str()).collect();
    if ids.len() != running.len() {
        found.push(format!("instances run twice: {running:?}"));
    }
    found.extend(processes(platform, running.len()));
    found.extend(folders(&data, &ids));
    found.extend(of_kernel(&data, &ids));
    found
}

fn of_service(wanted: &Wanted, running: &[Container]) -> Option<String> {
    let Wanted { prefix, version, replicas } = wanted;
    let own: Vec<&str> = running
        .iter()
        .filter(|one| one.version.starts_with(prefix))
        .map(|one| one.version.as_str())
        .collect();
    let right = own.len() == *replicas && own.iter().all(|own| own == version);
    (!right).then(|| format!("{replicas} × {version} are to run, and there are {own:?}"))
}

/// One control process, one proxy, and a shim for each container.
fn processes(platform: &Platform, containers: usize) -> Vec<String> {
    let processes = platform.processes();
    let count =
        |role: &str| processes.iter().filter(|(_, line)| line.split(' ').nth(1) == Some(role)).count();
    let roles = [("serve", 1), ("proxy", 1), ("shim", containers)];
    let wrong = roles.iter().filter(|(role, wanted)| count(role) != *wanted);
    let mut found: Vec<String> = wrong
        .map(|(role, wanted)| {
            format!("{wanted} processes `{role}` are to run, and there are {}", count(role))
        })
        .collect();
    if processes.len() > 2 + containers {
        found.push(format!("more processes than there should be: {processes:?}"));
    }
    found
}

/// Folders that have something for each instance, and nothing else; folders for drafts, with nothing; and nothing of
/// proxies that have ended, nor of volumes on their way.
fn folders(data: &Path, instances: &BTreeSet<&str>) -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["run/instances", "writable"] {
        let names = names(&data.join(folder));
        if !names.iter().map(String::as_str).eq(instances.iter().copied()) {
            found.push(format!("`{folder}` has {names:?}, and {instances:?} run"));
        }
    }
    for folder in ["content/tmp", "content/repositories/_unfinished", "backups/drafts", "restoring"] {
        let names = names(&data.join(folder));
        if !names.is_empty() {
            found.push(format!("`{folder}` has {names:?}"));
        }
    }
    let run = names(&data.join("run"));
    let in_charge = std::fs::read_link(data.join("run/proxy.sock")).unwrap_or_default();
    let sockets = run.iter().filter(|name| name.starts_with("proxy-"));
    if !sockets.map(Path::new).eq([in_charge.as_path()]) || run.iter().any(|name| name.starts_with('.')) {
        found.push(format!("`{}` is in charge, and `run` has {run:?}", in_charge.display()));
    }
    for volume in names(&data.join("volumes")) {
        let drafts = ["draft", "incoming"].map(|name| data.join("volumes").join(&volume).join(name));
        if volume.starts_with(".trash-") || drafts.iter().any(|draft| draft.exists()) {
            found.push(format!("`volumes/{volume}` is not deleted, or has a draft"));
        }
    }
    for (folder, most) in [("run/netns", instances.len() + POOL), ("run/leases", instances.len())] {
        let count = names(&data.join(folder)).len();
        if count > most {
            found.push(format!("`{folder}` has {count} entries, and at most {most} are needed"));
        }
    }
    found
}

/// Control groups, links, neighbours, mounts and tables that carry the platform's marks.
fn of_kernel(data: &Path, instances: &BTreeSet<&str>) -> Vec<String> {
    let Some(node) = residue::node_of(data) else { return vec!["the platform has no number".to_owned()] };
    let carried = residue::carrying(&residue::marks_of(data));
    let of = |kind: &str| -> Vec<&str> {
        carried.iter().filter_map(|thing| thing.strip_prefix(kind)?.strip_prefix(' ')).collect()
    };
    let mut found = Vec::new();
    let group = format!("/mirage-{node}/");
    for path in of("cgroup") {
        if let Some((_, instance)) = path.split_once(&group)
            && !instances.contains(instance.split('/').next().unwrap_or_default())
        {
            found.push(format!("the control group `{path}` is nobody's"));
        }
    }
    let pairs = of("link").into_iter().filter(|link| link.starts_with(&format!("mv{node}-"))).count();
    if pairs > instances.len() + POOL {
        found.push(format!("{pairs} pairs of links, and at most {} are needed", instances.len() + POOL));
    }
    let neighbours = of("neighbour").len();
    if neighbours > instances.len() {
        found.push(format!("{neighbours} neighbours are known for good, and {} are there", instances.len()));
    }
    let tables = of("nft").len();
    if tables > 1 {
        found.push(format!("{tables} tables of the packet filter"));
    }
    let mut seen = BTreeSet::new();
    for mount in of("mount") {
        if !seen.insert(mount) {
            found.push(format!("`{mount}` is mounted twice"));
        }
    }
    let layers = of("mount").iter().filter(|mount| mount.contains("/run/layers/")).count();
    let kept = names(&data.join("content/layers/sha256")).len();
    if layers > kept {
        found.push(format!("{layers} layers are mounted, and there are {kept}"));
    }
    found
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
    names.sort();
    names
}
