//! Which folders are used where none was named.

use std::path::{Path, PathBuf};

use super::env;

/// The data folder: the one named, else `/var/lib/mirage` as root, else below the XDG data folder.
pub fn data_dir(named: Option<PathBuf>) -> PathBuf {
    if let Some(named) = named {
        return std::path::absolute(&named).unwrap_or(named);
    }
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/mirage");
    }
    let home = || env::read("HOME").map(|home| Path::new(&home).join(".local/share"));
    let xdg = env::read("XDG_DATA_HOME").map(PathBuf::from);
    xdg.or_else(home).unwrap_or_else(|| PathBuf::from(".")).join("mirage")
}

/// Sockets, mount points and the state of what runs; below the data folder, so that two platforms
/// of one machine never meet.
pub fn run_dir(data: &Path) -> PathBuf {
    data.join("run")
}

/// The file in which docker keeps its logins, where there is a home for it.
pub fn docker_config() -> Option<PathBuf> {
    let named = env::read(env::DOCKER_CONFIG).map(PathBuf::from);
    let home = || env::read("HOME").map(|home| Path::new(&home).join(".docker"));
    named.or_else(home).map(|folder| folder.join("config.json"))
}

/// The file in which podman keeps its logins until the next start of the machine.
pub fn podman_logins() -> Option<PathBuf> {
    env::read("XDG_RUNTIME_DIR").map(|folder| Path::new(&folder).join("containers/auth.json"))
}

/// The folders in which this user's programs are.
pub fn programs() -> Vec<PathBuf> {
    env::read("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}
