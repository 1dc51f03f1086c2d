//! Data that outlives instances, deployments and services.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use xtask::bed::{Image, Layer, eventually};

use crate::sample::{pushed, script};
use crate::stage::Stage;

/// A server of `/data`, which notes there whenever it starts.
fn keeper() -> Image {
    let mut image = script("echo started >> /data/index.html\nexec httpd -f -p 8080 -h /data");
    let layer = Layer::new().directory("data", 0o755).file("data/index.html", 0o644, "from the image\n");
    image.layers.push(layer);
    image
}

/// The page after so many starts.
fn page(starts: usize) -> String {
    format!("from the image\n{}", "started\n".repeat(starts))
}

fn volume(stage: &Stage, name: &str) -> Value {
    let list = stage.done(&["volume", "list", "--json"]);
    let list: Vec<Value> = serde_json::from_str(&list.stdout).unwrap();
    list.into_iter().find(|one| one["name"] == name).unwrap_or_default()
}

#[test]
fn what_a_service_writes_to_its_volume_outlives_every_instance_and_the_service_itself() {
    let Some(stage) =
        Stage::set("what a service writes to its volume outlives every instance and the service itself")
    else {
        return;
    };
    let reference = pushed(&stage.registry, "acme/keeper:1", &keeper());
    stage.done(&["deploy", &reference, "--name", "web", "--volume", "data:/data"]);
    assert_eq!(stage.served("web"), page(1));
    let status = stage.done(&["status", "web"]);
    assert!(status.stdout.contains("volumes   data at /data"), "{}", status.stdout);
    stage.done(&["redeploy", "web"]);
    assert_eq!(stage.served("web"), page(2));
    let status = stage.done(&["status", "web", "--json"]);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status["volumes"], json!([{"name": "data", "path": "/data"}]));
    // The one before may still be on its way out.
    let of_now = |one: &&Value| one["deployment"] == status["activeDeployment"]["id"];
    let pid = status["instances"].as_array().unwrap().iter().find(of_now).unwrap()["pid"].as_i64().unwrap();
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
    let third = || {
        let answer = stage.platform.visit("web-production").ok()?;
        (answer.status == 200 && answer.text() == page(3)).then_some(())
    };
    eventually("the third start", Duration::from_secs(30), third).unwrap();

    let listed = volume(&stage, "data");
    assert_eq!((&listed["service"], &listed["path"]), (&json!("web"), &json!("/data")));
    assert!(listed["sizeBytes"].as_u64().unwrap() > 0);
    stage.refused(&["volume", "remove", "data"], "CONFLICT");
    stage.done(&["remove", "web"]);
    assert_eq!(volume(&stage, "data")["service"], Value::Null);
    stage.done(&["deploy", &reference, "--name", "heir", "--volume", "data:/data"]);
    assert_eq!(stage.served("heir"), page(4));
}

#[test]
fn a_volume_is_backed_up_removed_taken_back_and_filled_from_the_backup() {
    let Some(stage) = Stage::set("a volume is backed up, removed, taken back and filled from the backup")
    else {
        return;
    };
    let reference = pushed(&stage.registry, "acme/keeper:1", &keeper());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data.tar.zst");
    let name = file.to_str().unwrap();
    stage.done(&["deploy", &reference, "--name", "web", "--volume", "data:/data"]);
    stage.done(&["volume", "backup", "data", name]);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let saved = std::fs::read(&file).unwrap();
    stage.refused(&["volume", "backup", "data", name], "CONFLICT");
    assert_eq!(std::fs::read(&file).unwrap(), saved, "what is there is not replaced");
    stage.done(&["volume", "backup", "data", name, "--force"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    stage.done(&["restart", "web"]);
    assert_eq!(stage.served("web"), page(2));
    stage.refused(&["volume", "restore", "data", "--from", name], "CONFLICT");
    stage.done(&["scale", "web", "0"]);
    stage.done(&["volume", "restore", "data", "--from", name]);
    stage.done(&["scale", "web", "1"]);
    assert_eq!(stage.served("web"), page(2), "one start in the backup, and one since");

    stage.done(&["remove", "web"]);
    stage.done(&["volume", "remove", "data"]);
    let told = stage.refused(&["volume", "backup", "data", name, "--force"], "NOT_FOUND");
    assert!(told.stderr.contains("mirage volume restore data"), "{}", told.stderr);
    assert!(volume(&stage, "data")["purgedAt"].is_string());
    stage.done(&["volume", "create", "data"]);
    stage.refused(&["volume", "restore", "data"], "NAME_TAKEN");
    stage.done(&["volume", "restore", "data", "--as", "older"]);
    stage.done(&["deploy", &reference, "--name", "web", "--volume", "older:/data"]);
    assert_eq!(stage.served("web"), page(3));

    stage.done(&["volume", "restore", "copy", "--from", name]);
    stage.done(&["deploy", &reference, "--name", "other", "--volume", "copy:/data"]);
    assert_eq!(stage.served("other"), page(2));
}

#[test]
fn what_no_volume_can_be_is_refused_with_its_code_and_changes_nothing() {
    let Some(stage) = Stage::set("what no volume can be is refused with its code and changes nothing") else {
        return;
    };
    let reference = pushed(&stage.registry, "acme/keeper:1", &keeper());
    let deploy = |name: &str, more: &[&str], code: &str| {
        let words: Vec<&str> = ["deploy", &reference, "--name", name].iter().chain(more).copied().collect();
        stage.refused(&words, code)
    };
    stage.done(&["deploy", &reference, "--name", "web", "--volume", "data:/data"]);
    let before = stage.at_rest("web");
    deploy("other", &["--volume", "data:/data"], "CONFLICT");
    deploy("other", &["--volume", "d:/proc/d"], "INVALID_REQUEST");
    deploy("other", &["--volume", "d:/d/../../etc"], "INVALID_REQUEST");
    deploy("other", &["--volume", "My Data:/d"], "INVALID_REQUEST");
    deploy("other", &["--volume", "a:/a", "--volume", "b:/a/b"], "INVALID_REQUEST");
    deploy("other", &["--volume", "d:/d", "--replicas", "2"], "INVALID_REQUEST");
    deploy("web", &["--replicas", "2"], "INVALID_REQUEST");
    stage.refused(&["scale", "web", "2"], "INVALID_REQUEST");
    stage.refused(&["volume", "create", "data"], "NAME_TAKEN");
    stage.refused(&["volume", "remove", "nothing"], "NOT_FOUND");
    stage.refused(&["volume", "restore", "data"], "NOT_FOUND");
    let garbage = tempfile::NamedTempFile::new().unwrap();
    // More than fits into the buffers on the way: the refusal comes before the end of it.
    std::fs::write(garbage.path(), "no archive".repeat(8 << 20)).unwrap();
    let garbage = garbage.path().to_str().unwrap();
    stage.refused(&["volume", "restore", "fresh", "--from", garbage], "INVALID_REQUEST");
    assert_eq!(stage.at_rest("web"), before);
    assert_eq!(stage.served("web"), page(1));
    assert_eq!(volume(&stage, "d"), Value::Null);
    assert_eq!(stage.platform.cli(&["deploy", &reference, "--volume", "data"]).unwrap().code, 2);
}
