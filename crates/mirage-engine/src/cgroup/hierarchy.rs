//! Which control group hierarchies this machine has.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use super::group::{Cgroup, Directory};

/// The longest `mountinfo` that is read, in bytes. Machines with thousands of containers have a few
/// hundred KiB.
const MAX_MOUNTINFO: u64 = 16 << 20;

/// How the machine's control groups are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Each controller has its own hierarchy.
    V1,
    /// As v1, with a unified hierarchy beside them.
    Hybrid,
    /// One hierarchy for everything.
    V2,
}

/// The hierarchies of this machine, and which controllers each one has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchies {
    mounted: Vec<Hierarchy>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Hierarchy {
    mount: PathBuf,
    controllers: Vec<String>,
    unified: bool,
}

impl Hierarchies {
    /// Reads `/proc/self/mountinfo`.
    ///
    /// # Errors
    /// Whatever reading it gives; `Unsupported` where no hierarchy is mounted.
    pub fn detect() -> io::Result<Self> {
        let mut text = String::new();
        File::open("/proc/self/mountinfo")?.take(MAX_MOUNTINFO).read_to_string(&mut text)?;
        let found = Self::parse(&text, |mount| {
            std::fs::read_to_string(mount.join("cgroup.controllers")).unwrap_or_default()
        });
        if found.mounted.is_empty() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "no control groups are mounted"));
        }
        Ok(found)
    }

    /// The same from text (proc(5), `/proc/pid/mountinfo`); `unified` answers with the content of
    /// `cgroup.controllers` at a v2 mount point.
    pub(super) fn parse(mountinfo: &str, unified: impl Fn(&Path) -> String) -> Self {
        let mut mounted: Vec<Hierarchy> = Vec::new();
        for line in mountinfo.lines() {
            let Some(hierarchy) = parse_line(line, &unified) else { continue };
            // A hierarchy may be mounted several times; the first place is as good as any.
            if !mounted
                .iter()
                .any(|known| known.unified == hierarchy.unified && known.controllers == hierarchy.controllers)
            {
                mounted.push(hierarchy);
            }
        }
        Self { mounted }
    }

    /// How the machine is laid out.
    pub fn version(&self) -> Version {
        let unified = self.mounted.iter().any(|hierarchy| hierarchy.unified);
        let separate = self.mounted.iter().any(|hierarchy| !hierarchy.unified);
        match (separate, unified) {
            (true, true) => Version::Hybrid,
            (true, false) => Version::V1,
            (false, _) => Version::V2,
        }
    }

    /// Whether some hierarchy has this controller (`memory`, `cpu`, `pids`, …).
    pub fn has(&self, controller: &str) -> bool {
        self.mounted.iter().any(|hierarchy| hierarchy.controllers.iter().any(|known| known == controller))
    }

    /// The group of this path, whether it exists or not.
    ///
    /// # Errors
    /// `InvalidInput` where the path is not absolute and plain, or deeper than 8 levels.
    pub fn group(&self, path: &str) -> io::Result<Cgroup> {
        let relative = plain(path)?;
        let directories = self
            .mounted
            .iter()
            .map(|hierarchy| Directory {
                mount: hierarchy.mount.clone(),
                path: hierarchy.mount.join(&relative),
                controllers: hierarchy.controllers.clone(),
                unified: hierarchy.unified,
                // The unified side of a hybrid machine is joined only for what is nowhere else, a
                // controller or the rule on devices: joining it waits for a grace period.
                joined: !hierarchy.unified || hierarchy.limits() || !self.has("devices"),
            })
            .collect();
        Ok(Cgroup::new(directories))
    }
}

impl Hierarchy {
    fn limits(&self) -> bool {
        self.controllers.iter().any(|name| ["memory", "cpu", "pids"].contains(&name.as_str()))
    }
}

/// A control group path without its leading slash.
fn plain(path: &str) -> io::Result<PathBuf> {
    let mut components = Path::new(path).components();
    let absolute = components.next() == Some(Component::RootDir);
    let rest: PathBuf = components.as_path().into();
    let normal = rest.components().all(|component| matches!(component, Component::Normal(_)));
    let depth = rest.components().count();
    if !absolute || !normal || !(1..=8).contains(&depth) || path.len() > 1024 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("`{path}` is not a control group path"),
        ));
    }
    Ok(rest)
}

fn parse_line(line: &str, unified: &impl Fn(&Path) -> String) -> Option<Hierarchy> {
    let (front, back) = line.split_once(" - ")?;
    let mount = PathBuf::from(unescape(front.split(' ').nth(4)?));
    let mut back = back.split(' ');
    let kind = back.next()?;
    let options = back.nth(1)?;
    match kind {
        "cgroup2" => {
            let controllers = unified(&mount).split_ascii_whitespace().map(str::to_owned).collect();
            Some(Hierarchy { mount, controllers, unified: true })
        }
        "cgroup" => {
            let controllers = options.split(',').filter(|option| is_controller(option));
            Some(Hierarchy { mount, controllers: controllers.map(str::to_owned).collect(), unified: false })
        }
        _ => None,
    }
}

/// Mount options of a v1 hierarchy are its controllers (or `name=…`) between ordinary options.
fn is_controller(option: &str) -> bool {
    !matches!(
        option,
        "rw" | "ro" | "xattr" | "noprefix" | "clone_children" | "cpuset_v2_mode" | "favordynmods"
    ) && !option.starts_with("release_agent=")
}

/// Undoes the octal escapes of `mountinfo` (`\040` is a space).
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                plain.push(char::from(code));
                rest = &rest[at + 4..];
            }
            None => {
                plain.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "\
25 20 0:21 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
26 25 0:22 / /sys/fs/cgroup/systemd rw,nosuid - cgroup cgroup rw,xattr,release_agent=/lib/x,name=systemd
27 25 0:23 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
28 25 0:24 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory
29 25 0:25 / /sys/fs/cgroup/pids rw,nosuid - cgroup cgroup rw,pids
32 25 0:27 / /sys/fs/cgroup/devices rw,nosuid - cgroup cgroup rw,devices
30 25 0:24 / /mnt/again rw - cgroup cgroup rw,memory
";
    const UNIFIED: &str = "31 25 0:26 / /sys/fs/cgroup/uni\\040fied rw - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn a_v1_machine_has_one_hierarchy_for_each_controller() {
        let found = Hierarchies::parse(V1, |_| String::new());
        assert_eq!(found.version(), Version::V1);
        assert!(found.has("memory") && found.has("cpuacct") && found.has("name=systemd"));
        let group = found.group("/mirage-1/a").unwrap();
        assert_eq!(group.paths().len(), 5);
        assert!(group.paths().contains(&PathBuf::from("/sys/fs/cgroup/cpu,cpuacct/mirage-1/a")));
    }

    #[test]
    fn a_hybrid_machine_uses_the_unified_side_only_for_a_controller_that_is_there() {
        let text = format!("{V1}{UNIFIED}");
        let idle = Hierarchies::parse(&text, |_| "hugetlb\n".into());
        assert_eq!(idle.version(), Version::Hybrid);
        let unified = Path::new("/sys/fs/cgroup/uni fied/m/a");
        let joins = |found: Hierarchies| {
            found.group("/m/a").unwrap().joined().any(|directory| directory.path == unified)
        };
        assert!(!joins(idle));

        let without_pids = text.replace("rw,pids", "rw,net_cls");
        assert!(joins(Hierarchies::parse(&without_pids, |_| "pids\n".into())));
        let without_devices = text.replace("rw,devices", "rw,net_cls");
        assert!(joins(Hierarchies::parse(&without_devices, |_| "hugetlb\n".into())), "devices stay open");
    }

    #[test]
    fn a_v2_machine_has_one_hierarchy() {
        let found = Hierarchies::parse(UNIFIED, |_| "cpuset cpu io memory pids\n".into());
        assert_eq!(found.version(), Version::V2);
        assert_eq!(found.group("/m/a").unwrap().paths(), [PathBuf::from("/sys/fs/cgroup/uni fied/m/a")]);
    }

    #[test]
    fn a_group_path_cannot_leave_its_hierarchy() {
        let found = Hierarchies::parse(V1, |_| String::new());
        for path in ["", "/", "relative", "/../x", "/a/../../b", "/1/2/3/4/5/6/7/8/9"] {
            assert!(found.group(path).is_err(), "{path}");
        }
    }

    #[test]
    fn this_machine_is_understood() {
        let found = Hierarchies::detect().unwrap();
        assert!(found.has("memory") && found.has("pids") && found.has("cpu"), "{found:?}");
    }
}
