use std::path::Path;

use mirage_core::{DeploymentId, InstanceId, Resources, ServiceId};
use oci_spec::runtime::Spec;
use serde_json::{Value, json};

use super::*;
use crate::shim::{BoundFile, LogPlace, Process};

fn spec() -> ShimSpec {
    ShimSpec {
        instance: InstanceId::from_random([1; 16]),
        service: ServiceId::from_random([2; 16]),
        deployment: DeploymentId::from_random([3; 16]),
        process: Process {
            arguments: vec!["web".into(), "--port=80".into()],
            variables: vec![],
            user: "app".into(),
            working_directory: "/srv".into(),
            stop_signal: None,
        },
        layers: vec!["/layers/1".into()],
        writable: "/data/w".into(),
        network_namespace: "/run/mirage/netns/1".into(),
        hostname: "web-1".into(),
        files: vec![BoundFile { source: "/run/mirage/1/hosts".into(), target: "/etc/hosts".into() }],
        volumes: Vec::new(),
        resources: Resources { memory_bytes: Some(64 << 20), cpu_millis: Some(500), pids: 100 },
        allow_new_privileges: false,
        log: LogPlace { directory: "/logs/1".into(), max_bytes: 1 << 20 },
        cgroup: "/mirage-1/1".into(),
        runtime: None,
        start_seconds: 60,
        grace_millis: 10_000,
    }
}

fn built(spec: &ShimSpec, reader: Reader) -> Value {
    let user = ContainerUser { uid: 1000, gid: 1001, groups: vec![1001, 29], home: "/home/app".into() };
    build(&Container {
        spec,
        root: Path::new("/scratch/root"),
        user: &user,
        environment: &["PATH=/bin".into()],
        working_directory: Path::new("/srv"),
        volumes: &spec.volumes,
        open_files: 20_000,
        masked: &["/sys/devices/system/cpu/cpu0/thermal_throttle".into()],
        reader,
    })
}

fn separate() -> Reader {
    let bound = vec![("memory".to_owned(), PathBuf::from("/scratch/group-memory"))];
    Reader::Embedded { groups: GroupView::Separate { frame: "/scratch/groups".into(), bound } }
}

fn unified() -> Reader {
    Reader::Embedded { groups: GroupView::Unified }
}

fn runc(unified: bool) -> Reader {
    Reader::Program { seccomp: json!({ "defaultAction": "SCMP_ACT_ERRNO" }), unified }
}

fn types(spec: &Value) -> Vec<&str> {
    let namespaces = spec["linux"]["namespaces"].as_array().unwrap();
    namespaces.iter().map(|namespace| namespace["type"].as_str().unwrap()).collect()
}

fn mounted(spec: &Value) -> Vec<String> {
    let show = |mount: &Value| {
        let options: Vec<&str> =
            mount["options"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        format!(
            "{} {} {}",
            mount["destination"].as_str().unwrap(),
            mount["type"].as_str().unwrap(),
            options.join(",")
        )
    };
    spec["mounts"].as_array().unwrap().iter().map(show).collect()
}

/// A misspelt field would be lost on the way through the types that the runtimes read it with.
#[test]
fn every_field_is_one_of_the_specification() {
    for reader in [separate(), unified(), runc(true), runc(false)] {
        let written = built(&spec(), reader);
        let read: Spec = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(sorted(&serde_json::to_value(read).unwrap()), sorted(&written));
    }
}

/// Sets and maps come back in any order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(sorted).collect();
            items.sort_by_key(Value::to_string);
            Value::Array(items)
        }
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), sorted(value))).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_process_is_what_the_image_and_the_user_said() {
    let built = built(&spec(), separate());
    assert_eq!(
        built["process"],
        json!({
            "terminal": false,
            "user": { "uid": 1000, "gid": 1001, "additionalGids": [1001, 29] },
            "args": ["web", "--port=80"],
            "env": ["PATH=/bin"],
            "cwd": "/srv",
            "capabilities": {
                "bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES,
                "inheritable": [], "ambient": [],
            },
            "rlimits": [
                { "type": "RLIMIT_CORE", "hard": 0, "soft": 0 },
                { "type": "RLIMIT_NOFILE", "hard": 20000, "soft": 20000 },
            ],
            "noNewPrivileges": true,
            "oomScoreAdj": 100,
        })
    );
    assert_eq!(built["root"], json!({ "path": "/scratch/root", "readonly": false }));
    assert_eq!(built["hostname"], "web-1");
}

#[test]
fn what_tells_of_the_machine_and_its_neighbours_is_masked() {
    let built = built(&spec(), unified());
    let masked = built["linux"]["maskedPaths"].as_array().unwrap();
    for path in ["/proc/kcore", "/sys/firmware", "/sys/devices/system/cpu/cpu0/thermal_throttle"] {
        assert!(masked.contains(&json!(path)), "{path}");
    }
}

#[test]
fn a_container_on_v1_sees_its_own_groups_read_only() {
    let built = built(&spec(), separate());
    assert_eq!(types(&built), ["pid", "network", "ipc", "uts", "mount"]);
    assert_eq!(
        mounted(&built),
        [
            "/proc proc nosuid,noexec,nodev",
            "/dev tmpfs nosuid,strictatime,mode=755,size=65536k",
            "/dev/pts devpts nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5",
            "/sys sysfs nosuid,noexec,nodev,ro",
            "/sys/fs/cgroup bind bind,rprivate,nosuid,noexec,nodev,ro",
            "/sys/fs/cgroup/memory bind bind,rprivate,nosuid,noexec,nodev,ro",
            "/dev/mqueue mqueue nosuid,noexec,nodev",
            "/dev/shm tmpfs nosuid,noexec,nodev,mode=1777,size=65536k",
            "/etc/hosts bind bind,rprivate,nosuid,noexec,nodev,ro",
        ]
    );
    assert!(built["linux"].get("resources").is_none(), "libcontainer sets no limit");
}

#[test]
fn a_container_on_v2_has_a_namespace_for_its_group() {
    let built = built(&spec(), unified());
    assert_eq!(types(&built).last(), Some(&"cgroup"));
    assert!(mounted(&built).contains(&"/sys/fs/cgroup cgroup2 nosuid,noexec,nodev,ro".to_owned()));
}

#[test]
fn another_runtime_gets_limits_and_the_filter() {
    let built = built(&spec(), runc(false));
    let resources = &built["linux"]["resources"];
    assert_eq!(resources["memory"], json!({ "limit": 64 << 20, "swap": 64 << 20 }));
    assert_eq!(resources["cpu"], json!({ "quota": 50_000, "period": 100_000 }));
    assert_eq!(resources["pids"], json!({ "limit": 100 }));
    assert_eq!(resources["devices"][0], json!({ "allow": false, "access": "rwm" }));
    assert_eq!(built["linux"]["seccomp"]["defaultAction"], "SCMP_ACT_ERRNO");
    assert!(mounted(&built).contains(&"/sys/fs/cgroup cgroup nosuid,noexec,nodev,ro".to_owned()));
}

#[test]
fn gaining_privileges_needs_one_capability_only_until_the_filter_is_in() {
    let mut spec = spec();
    spec.allow_new_privileges = true;
    let has_admin = |reader: Reader, set: &str| {
        built(&spec, reader)["process"]["capabilities"][set]
            .as_array()
            .unwrap()
            .contains(&json!("CAP_SYS_ADMIN"))
    };
    assert!(has_admin(separate(), "permitted") && has_admin(separate(), "effective"));
    assert!(!has_admin(separate(), "bounding"));
    assert!(!has_admin(runc(false), "permitted"));
    assert_eq!(built(&spec, separate())["process"]["noNewPrivileges"], false);
}
