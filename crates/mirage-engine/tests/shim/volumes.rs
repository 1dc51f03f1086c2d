//! What a container finds at the path of a volume, and what is left when it has ended.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mirage_core::VolumeId;
use mirage_engine::shim::{BoundVolume, ShimSpec};

use crate::Test;
use crate::fixture::Bench;

pub(crate) const TESTS: &[Test] = &[
    ("a_volume_begins_with_what_the_image_has_there", begins_with_what_the_image_has),
    ("a_volume_where_the_image_has_nothing_belongs_to_the_user", belongs_to_the_user),
    ("what_is_written_to_a_volume_outlives_the_instance", outlives_the_instance),
    ("a_volume_has_one_instance_at_a_time", has_one_instance_at_a_time),
    ("a_copy_that_was_broken_off_begins_anew", a_broken_copy_begins_anew),
    ("links_of_the_image_lead_a_volume_nowhere_but_inside", links_lead_nowhere),
    ("a_volume_has_no_devices_and_no_setuid_programs", no_devices_and_no_setuid),
    ("a_working_directory_in_a_volume_is_made", a_working_directory_is_made),
];

/// A layer of its own below the image, so that the tests do not see each other's.
fn layer(bench: &Bench, name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let layer = bench.folder.path().join(format!("{name}-{}", bench.is_runc()));
    fs::create_dir_all(&layer).unwrap();
    make(&layer);
    layer
}

fn volume(bench: &Bench, name: &str) -> PathBuf {
    let folder = bench.folder.path().join(format!("volume-{name}-{}", bench.is_runc()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn with(spec: &mut ShimSpec, layer: Option<&Path>, folder: &Path, target: &str) {
    if let Some(layer) = layer {
        spec.layers.insert(0, layer.to_owned());
    }
    let id = VolumeId::from_random([1; 16]);
    spec.volumes.push(BoundVolume { id, folder: folder.to_owned(), target: target.into() });
}

fn begins_with_what_the_image_has(bench: &Bench) {
    let image = layer(bench, "content", |layer| {
        fs::create_dir_all(layer.join("data/deep/er")).unwrap();
        fs::write(layer.join("data/deep/er/file"), "from the image").unwrap();
        fs::hard_link(layer.join("data/deep/er/file"), layer.join("data/same")).unwrap();
        symlink("deep/er/file", layer.join("data/link")).unwrap();
        std::os::unix::fs::chown(layer.join("data"), Some(1000), Some(1001)).unwrap();
        std::os::unix::fs::chown(layer.join("data/deep"), Some(70), Some(71)).unwrap();
        fs::set_permissions(layer.join("data"), fs::Permissions::from_mode(0o1750)).unwrap();
        fs::set_permissions(layer.join("data/deep/er/file"), fs::Permissions::from_mode(0o640)).unwrap();
    });
    let folder = volume(bench, "content");
    let script = "stat -c '%u:%g %a' /data /data/deep /data/deep/er/file; cat /data/link; echo; stat -c %h /data/same; \
                  touch /data/mine && echo written";
    let run = |user: &str| {
        let user = user.to_owned();
        let change = |spec: &mut ShimSpec| {
            spec.process.user = user;
            with(spec, Some(&image), &folder, "/data");
        };
        bench.output_with(script, change).0
    };
    let expected = "1000:1001 1750\n70:71 755\n0:0 640\nfrom the image\n2\nwritten\n";
    assert_eq!(run(""), expected);
    for name in ["data/deep", "data/deep/er"] {
        let when = |root: &Path| fs::metadata(root.join(name)).unwrap().modified().unwrap();
        assert_eq!(when(&folder), when(&image), "{name}");
    }
    // Root of the container is root of nothing but its own files: another user needs the folder's mode.
    assert_eq!(run("").matches("written").count(), 1);
    assert_eq!(fs::metadata(folder.join("data/mine")).unwrap().uid(), 0);
    assert!(!folder.join("draft").exists());
}

fn belongs_to_the_user(bench: &Bench) {
    let folder = volume(bench, "new");
    let script = "stat -c '%u:%g %a' /srv/new/data; echo x > /srv/new/data/x && echo written";
    let (log, _) = bench.output_with(script, |spec| {
        spec.process.user = "app".into();
        with(spec, None, &folder, "/srv/new/data");
    });
    assert_eq!(log, "1000:1001 755\nwritten\n");
}

fn outlives_the_instance(bench: &Bench) {
    let image = layer(bench, "outlives", |layer| {
        fs::create_dir_all(layer.join("data")).unwrap();
        fs::write(layer.join("data/seed"), "").unwrap();
    });
    let folder = volume(bench, "outlives");
    let run = |script: &str| bench.output_with(script, |spec| with(spec, Some(&image), &folder, "/data")).0;
    run("rm /data/seed; echo kept > /data/file");
    assert_eq!(run("ls /data; cat /data/file"), "file\nkept\n", "the image's content does not come back");
    let other = bench.output_with("cat /elsewhere/file", |spec| with(spec, None, &folder, "/elsewhere"));
    assert_eq!(other.0, "kept\n");
}

fn has_one_instance_at_a_time(bench: &Bench) {
    let folder = volume(bench, "one");
    let start = |script: &str| bench.start_with(script, |spec| with(spec, None, &folder, "/data"));
    let mut first = start("exec sleep 1000");
    first.running();
    let second = start("touch /data/second").exit();
    let expected = "Mirage could not prepare the container: another instance runs with the volume at `/data`";
    assert_eq!(second.start_error.as_deref(), Some(expected));
    assert!(!folder.join("data/second").exists());
    // What a killed shim leaves is killed by the engine; then the volume is free.
    first.shim.kill().unwrap();
    first.group.end(Duration::from_secs(10)).unwrap();
    assert_eq!(start("touch /data/third").exit().code, Some(0));
    assert!(folder.join("data/third").exists());
}

fn a_broken_copy_begins_anew(bench: &Bench) {
    let image = layer(bench, "broken", |layer| {
        fs::create_dir_all(layer.join("data")).unwrap();
        fs::write(layer.join("data/a"), "a").unwrap();
        fs::write(layer.join("data/b"), "b").unwrap();
    });
    let folder = volume(bench, "broken");
    fs::create_dir_all(folder.join("draft/half")).unwrap();
    fs::write(folder.join("draft/a"), "tor").unwrap();
    let run =
        || bench.output_with("cd /data; cat *; ls", |spec| with(spec, Some(&image), &folder, "/data")).0;
    assert_eq!(run(), "aba\nb\n");
    assert!(!folder.join("draft").exists() && folder.join("data").exists());
}

fn links_lead_nowhere(bench: &Bench) {
    let outside = bench.folder.path().join(format!("outside-{}", bench.is_runc()));
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("host"), "of the host").unwrap();
    let image = layer(bench, "links", |layer| {
        fs::create_dir_all(layer.join("real")).unwrap();
        fs::write(layer.join("real/file"), "inside").unwrap();
        symlink("/real", layer.join("here")).unwrap();
        symlink(&outside, layer.join("out")).unwrap();
        symlink("../../../../../../../../../..", layer.join("up")).unwrap();
        symlink("/proc/self/root", layer.join("magic")).unwrap();
        symlink("/proc", layer.join("kernel")).unwrap();
        fs::write(layer.join("file"), "").unwrap();
        fs::create_dir_all(layer.join("content")).unwrap();
        symlink(outside.join("host"), layer.join("content/host")).unwrap();
    });
    let run = |name: &str, target: &str, script: &str| {
        let folder = volume(bench, &format!("links-{name}"));
        let outcome = bench.output_with(script, |spec| with(spec, Some(&image), &folder, target));
        (outcome.0, outcome.1.start_error.unwrap_or_default(), folder)
    };
    let (log, error, _) = run("here", "/here", "cat /real/file; echo new > /real/new; ls /here");
    assert_eq!((log.as_str(), error.as_str()), ("insidefile\nnew\n", ""));
    // A link that leads to a folder of the host is the path of that name in the container.
    let (_, error, folder) = run("out", "/out/sub", "echo x > /out/sub/x");
    assert!(error.is_empty() || error.contains("cannot be prepared"), "{error}");
    assert!(fs::read_dir(&outside).unwrap().count() == 1 && !folder.join("data/host").exists());
    for (name, target) in
        [("up", "/up"), ("kernel", "/kernel/x"), ("magic", "/magic/data"), ("file", "/file/x")]
    {
        let (_, error, _) = run(name, target, "true");
        assert!(error.contains("volume at"), "{name}: {error}");
    }
    let (log, _, folder) = run("content", "/content", "cat /content/host 2>/dev/null; echo $?");
    assert_eq!(log, "1\n", "a link is copied as a link");
    assert!(fs::symlink_metadata(folder.join("data/host")).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(outside.join("host")).unwrap(), "of the host");
}

fn no_devices_and_no_setuid(bench: &Bench) {
    let image = layer(bench, "setuid", |layer| {
        fs::create_dir_all(layer.join("data")).unwrap();
        fs::copy("/bin/busybox", layer.join("data/busybox")).unwrap();
        fs::set_permissions(layer.join("data/busybox"), fs::Permissions::from_mode(0o4755)).unwrap();
    });
    let folder = volume(bench, "setuid");
    let script = "/data/busybox id -u; grep ' /data ' /proc/mounts | grep -o 'rw,nosuid,nodev'";
    let (log, _) = bench.output_with(script, |spec| {
        spec.process.user = "app".into();
        spec.allow_new_privileges = true;
        with(spec, Some(&image), &folder, "/data");
    });
    assert_eq!(log, "1000\nrw,nosuid,nodev\n");
    let script = "mknod /data/null c 1 3; echo x > /data/null && echo opened; true";
    let (log, _) = bench.output_with(script, |spec| with(spec, None, &folder, "/data"));
    assert!(!log.contains("opened"), "{log}");
}

fn a_working_directory_is_made(bench: &Bench) {
    let folder = volume(bench, "cwd");
    let run = |directory: &'static str| {
        let change = |spec: &mut ShimSpec| {
            spec.process.working_directory = directory.into();
            with(spec, None, &folder, "/data");
        };
        bench.output_with("pwd", change).0
    };
    assert_eq!(run("/data/app"), "/data/app\n");
    assert_eq!(run("/data/another"), "/data/another\n", "also where the volume is not new");
    assert!(folder.join("data/another").is_dir());
}
