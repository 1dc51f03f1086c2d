//! Which mounts are possible, and how long a removal can be taken back.

use super::*;

fn mounts(all: &[(&str, &str)]) -> Vec<VolumeMount> {
    let mount = |(name, path): &(&str, &str)| VolumeMount {
        volume: name.parse().unwrap(),
        path: path.parse().unwrap(),
    };
    all.iter().map(mount).collect()
}

#[test]
fn a_path_is_absolute_and_written_in_one_way() {
    for (text, path) in [
        ("/data", "/data"),
        ("/data/", "/data"),
        ("//var///lib/x", "/var/lib/x"),
        ("/etc/postgresql", "/etc/postgresql"),
        ("/system", "/system"),
        ("/développement", "/développement"),
    ] {
        assert_eq!(text.parse::<MountPath>().unwrap().as_str(), path);
    }
}

#[test]
fn a_path_that_leads_elsewhere_or_hides_what_a_container_needs_is_refused() {
    let long = format!("/{}", "a".repeat(300));
    for text in [
        "",
        "data",
        "./data",
        "/",
        "//",
        "/data/../etc",
        "/data/./x",
        "/proc",
        "/proc/",
        "/proc/self",
        "/sys/fs",
        "/dev",
        "/dev/shm",
        "/etc",
        "/etc/",
        "/etc/resolv.conf",
        "/etc/hosts/x",
        "/a\nb",
        "/a\0b",
        &long,
    ] {
        let error = text.parse::<MountPath>().unwrap_err();
        assert_eq!(error.code(), Code::InvalidRequest, "{text:?}");
    }
}

#[test]
fn mounts_do_not_contradict_each_other() {
    check_mounts(&mounts(&[("a", "/a"), ("b", "/ab"), ("c", "/c/d")]), 1).unwrap();
    check_mounts(&[], 100).unwrap();
    check_mounts(&mounts(&[("a", "/a")]), 0).unwrap();
    let refused = |all: &[(&str, &str)], replicas| {
        let error = check_mounts(&mounts(all), replicas).unwrap_err();
        (error.at_field().unwrap().to_owned(), error.message().to_owned())
    };
    assert_eq!(refused(&[("a", "/a"), ("a", "/b")], 1).1, "the volume `a` is listed twice");
    assert_eq!(refused(&[("a", "/a"), ("b", "/a")], 1).1, "`/a` and `/a` are in each other's way");
    assert_eq!(refused(&[("a", "/a/b"), ("b", "/a")], 1).1, "`/a/b` and `/a` are in each other's way");
    assert_eq!(refused(&[("a", "/a")], 2).0, "replicas");
    let many: Vec<(String, String)> = (0..17).map(|n| (format!("v{n}"), format!("/v{n}"))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(refused(&many, 1).1, "17 volumes are too many, at most 16 are possible");
}

#[test]
fn a_removal_can_be_taken_back_for_two_days() {
    let at = Timestamp::from_second(1_790_000_000).unwrap();
    let mut volume = Volume {
        id: VolumeId::from_random([0; 16]),
        environment: EnvironmentId::from_random([0; 16]),
        name: "data".parse().unwrap(),
        service: None,
        created_at: at,
        removed_at: None,
    };
    assert!(!volume.can_be_restored(at) && volume.purged_at().is_none());
    volume.removed_at = Some(at);
    let end = at + SignedDuration::from_hours(48);
    assert!(volume.can_be_restored(end - SignedDuration::from_secs(1)) && !volume.can_be_restored(end));
    assert_eq!(Volume::purged_before(end), at);
}

#[test]
fn a_mount_in_the_database_is_checked_when_it_is_read() {
    let read = |text: &str| serde_json::from_str::<VolumeMount>(text);
    assert_eq!(read(r#"{"volume":"data","path":"/data"}"#).unwrap(), mounts(&[("data", "/data")])[0]);
    assert!(read(r#"{"volume":"data","path":"/../x"}"#).is_err());
}
