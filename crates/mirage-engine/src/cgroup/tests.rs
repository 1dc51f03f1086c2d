use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use mirage_core::Resources;

use super::group::Directory;
use super::*;

/// A group in made-up hierarchies: each has a folder, and whatever files the test puts there.
fn fixture(folder: &Path, hierarchies: &[(&str, bool)]) -> Cgroup {
    let directory = |(controllers, unified): &(&str, bool)| {
        let mount = folder.join(controllers.replace(',', "-"));
        let path = mount.join("m/a");
        fs::create_dir_all(&path).unwrap();
        Directory {
            mount,
            path,
            controllers: controllers.split(',').map(str::to_owned).collect(),
            unified: *unified,
            joined: true,
        }
    };
    Cgroup::new(hierarchies.iter().map(directory).collect())
}

fn content(folder: &Path, path: &str) -> String {
    fs::read_to_string(folder.join(path)).unwrap()
}

fn limits() -> Resources {
    Resources { memory_bytes: Some(64 << 20), cpu_millis: Some(1500), pids: 100 }
}

#[test]
fn limits_on_v1_go_to_each_controllers_hierarchy() {
    let folder = tempfile::tempdir().unwrap();
    let group = fixture(folder.path(), &[("cpu,cpuacct", false), ("memory", false), ("pids", false)]);
    fs::write(folder.path().join("memory/m/a/memory.memsw.limit_in_bytes"), "").unwrap();
    group.limit(&limits()).unwrap();
    assert_eq!(content(folder.path(), "memory/m/a/memory.limit_in_bytes"), "67108864");
    assert_eq!(content(folder.path(), "memory/m/a/memory.memsw.limit_in_bytes"), "67108864");
    assert_eq!(content(folder.path(), "cpu-cpuacct/m/a/cpu.cfs_quota_us"), "150000");
    assert_eq!(content(folder.path(), "cpu-cpuacct/m/a/cpu.cfs_period_us"), "100000");
    assert_eq!(content(folder.path(), "pids/m/a/pids.max"), "100");
}

#[test]
fn limits_on_v2_go_to_one_place() {
    let folder = tempfile::tempdir().unwrap();
    let group = fixture(folder.path(), &[("memory,cpu,pids", true)]);
    group.limit(&limits()).unwrap();
    assert_eq!(content(folder.path(), "memory-cpu-pids/m/a/memory.max"), "67108864");
    assert_eq!(content(folder.path(), "memory-cpu-pids/m/a/cpu.max"), "150000 100000");
    assert_eq!(content(folder.path(), "memory-cpu-pids/m/a/pids.max"), "100");
    assert!(!folder.path().join("memory-cpu-pids/m/a/memory.swap.max").exists(), "the kernel counts no swap");
}

#[test]
fn limits_on_a_hybrid_machine_follow_the_controller() {
    let folder = tempfile::tempdir().unwrap();
    let group = fixture(folder.path(), &[("memory", false), ("cpu,pids", true)]);
    group.limit(&limits()).unwrap();
    assert_eq!(content(folder.path(), "memory/m/a/memory.limit_in_bytes"), "67108864");
    assert_eq!(content(folder.path(), "cpu-pids/m/a/cpu.max"), "150000 100000");
    assert_eq!(content(folder.path(), "cpu-pids/m/a/pids.max"), "100");
}

#[test]
fn a_limit_that_the_kernel_cannot_keep_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let group = fixture(folder.path(), &[("pids", false)]);
    let error = group.limit(&limits()).unwrap_err();
    assert!(error.to_string().contains("no `memory` control group controller"), "{error}");
}

#[test]
fn a_machine_that_cannot_close_devices_makes_no_group() {
    let folder = tempfile::tempdir().unwrap();
    let error = fixture(folder.path(), &[("memory", false)]).create().unwrap_err();
    assert!(error.to_string().contains("no control group can close devices"), "{error}");
}

#[test]
fn use_and_kills_are_read_from_either_version() {
    let folder = tempfile::tempdir().unwrap();
    let v1 = fixture(folder.path(), &[("cpuacct", false), ("memory", false), ("pids", false)]);
    for (file, text) in [
        ("memory/m/a/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
        ("memory/m/a/memory.usage_in_bytes", "4096\n"),
        ("memory/m/a/memory.stat", "inactive_file 1\ntotal_inactive_file 1024\n"),
        ("cpuacct/m/a/cpuacct.usage", "5000000\n"),
        ("pids/m/a/pids.current", "2\n"),
    ] {
        fs::write(folder.path().join(file), text).unwrap();
    }
    let expected = Usage { memory_bytes: 4096, working_set_bytes: 3072, cpu_micros: 5000, tasks: 2 };
    assert_eq!((v1.oom_kills(), v1.usage()), (3, expected));

    let v2 = fixture(folder.path(), &[("memory,cpu,pids", true)]);
    for (file, text) in [
        ("memory.events", "low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\noom_group_kill 0\n"),
        ("memory.current", "4096\n"),
        ("memory.stat", "anon 9\ninactive_file 1024\n"),
        ("cpu.stat", "usage_usec 5000\nuser_usec 1\n"),
        ("pids.current", "2\n"),
    ] {
        fs::write(folder.path().join("memory-cpu-pids/m/a").join(file), text).unwrap();
    }
    assert_eq!((v2.oom_kills(), v2.usage()), (1, expected));
    assert_eq!(fixture(folder.path(), &[("freezer", false)]).oom_kills(), 0);
}

fn is_root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("skipped: {test}: needs root");
    }
    root
}

fn sleeper() -> Child {
    Command::new("sleep").arg("1000").spawn().unwrap()
}

#[test]
fn a_group_of_this_machine_is_made_filled_ended_and_gone() {
    if !is_root("a_group_of_this_machine_is_made_filled_ended_and_gone") {
        return;
    }
    let name = format!("/mirage-unit-{}/a", std::process::id());
    let hierarchies = Hierarchies::detect().unwrap();
    let group = hierarchies.group(&name).unwrap();
    group.create().unwrap();
    group.limit(&limits()).unwrap();
    let mut child = sleeper();
    for path in group.paths().iter().filter(|path| path.exists()) {
        fs::write(path.join("cgroup.procs"), child.id().to_string()).unwrap();
    }
    assert_eq!(group.processes(), [child.id().cast_signed()]);
    assert_eq!(group.usage().tasks, 1);
    assert!(group.remove().is_err(), "a group with a process stays");
    group.end(Duration::from_secs(10)).unwrap();
    child.wait().unwrap();
    assert!(group.paths().iter().all(|path| !path.exists()));
    group.end(Duration::ZERO).unwrap();
    let parent = hierarchies.group(&format!("/mirage-unit-{}", std::process::id())).unwrap();
    parent.remove().unwrap();
}

#[test]
fn who_ends_a_part_of_a_group_ends_no_other() {
    if !is_root("who_ends_a_part_of_a_group_ends_no_other") {
        return;
    }
    const LIMIT: Duration = Duration::from_secs(10);
    let name = format!("/mirage-parts-{}/a", std::process::id());
    let hierarchies = Hierarchies::detect().unwrap();
    let group = hierarchies.group(&name).unwrap();
    group.create().unwrap();
    let folder =
        |part: &str| group.paths().into_iter().map(|path| path.join(part)).find(|path| path.exists());
    let first = Part::open(&group, "first", |_| false, LIMIT).unwrap();
    let _second = Part::open(&group, "second", |_| false, LIMIT).unwrap();
    let mut child = sleeper();
    fs::write(folder("second").unwrap().join("cgroup.procs"), child.id().to_string()).unwrap();
    first.end(LIMIT).unwrap();
    assert!(folder("first").is_none() && child.try_wait().unwrap().is_none());
    let third = Part::open(&group, "third", |part| part == "second", LIMIT).unwrap();
    assert!(folder("second").is_none() && folder("third").is_some());
    child.wait().unwrap();
    third.end(LIMIT).unwrap();
    group.end(LIMIT).unwrap();
    hierarchies.group(&format!("/mirage-parts-{}", std::process::id())).unwrap().remove().unwrap();
}

/// The mount point of the v2 hierarchy, which hybrid machines have too.
fn unified_mount() -> Option<PathBuf> {
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .into_iter()
        .map(PathBuf::from)
        .find(|mount| mount.join("cgroup.controllers").exists())
}

#[test]
fn devices_are_closed_by_a_program_on_v2() {
    let test = "devices_are_closed_by_a_program_on_v2";
    let Some(mount) = unified_mount().filter(|_| is_root(test)) else {
        eprintln!("skipped: {test}: needs a unified hierarchy");
        return;
    };
    let path = mount.join(format!("mirage-unit-devices-{}", std::process::id()));
    let directory =
        Directory { mount, path: path.clone(), controllers: Vec::new(), unified: true, joined: true };
    let group = Cgroup::new(vec![directory]);
    group.create().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "echo $$ > {}/cgroup.procs; cd {}
        mknod kmsg c 1 11 && (: < kmsg) 2>&- && echo kmsg; mknod disk b 7 0 && (: < disk) 2>&- && echo disk
        mknod null c 1 3 && echo > null && echo null; : < /dev/urandom && echo urandom",
        path.display(),
        folder.path().display(),
    );
    let output = Command::new("/bin/sh").arg("-c").arg(script).output().unwrap();
    group.end(Duration::from_secs(10)).unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(out, "null\nurandom\n", "{err}");
}
