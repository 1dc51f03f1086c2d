//! How processes live and end.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use xtask::bed::{
    Layer, Platform, PlatformOptions, Process, eventually, is_installed, may_run_as_root, skipped,
    syscall_program,
};

use crate::sample::{SERVE, pushed, script, web};
use crate::stage::{BINARY, Stage};

#[test]
fn a_process_that_dies_is_started_again() {
    let Some(stage) = Stage::set("a process that dies is started again") else { return };
    let reference = pushed(&stage.registry, "acme/web:1", &web("again"));
    stage.done(&["deploy", &reference, "--name", "web"]);
    let first = pid(&stage, "web").unwrap();
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    let second = || pid(&stage, "web").filter(|pid| *pid != first);
    eventually("another process", Duration::from_secs(30), second).unwrap();
    assert_eq!(stage.served("web"), "again");
}

#[test]
fn a_platform_whose_disk_ran_full_goes_on_when_there_is_room() {
    let Some(stage) =
        Stage::set_on_small_disk("a platform whose disk ran full goes on when there is room", 64)
    else {
        return;
    };
    let reference = pushed(&stage.registry, "acme/web:1", &web("still here"));
    stage.done(&["deploy", &reference, "--name", "web"]);
    let filler = stage.platform.data().join("filler");
    fill(&filler);
    stage.refused(&["deploy", &reference, "--name", "other"], "DISK_FULL");
    assert_eq!(stage.served("web"), "still here");
    kill(Pid::from_raw(pid(&stage, "web").unwrap()), Signal::SIGKILL).unwrap();
    std::fs::remove_file(filler).unwrap();
    assert_eq!(stage.served("web"), "still here");
    stage.done(&["deploy", &reference, "--name", "other"]);
}

/// Takes what room the disk has.
fn fill(path: &Path) {
    let mut file = std::fs::File::create(path).unwrap();
    for size in [1 << 20, 4096] {
        let chunk = vec![0; size];
        while file.write_all(&chunk).is_ok() {}
    }
    file.sync_all().unwrap();
}

/// The first process of a service's first instance.
fn pid(stage: &Stage, name: &str) -> Option<i32> {
    let status = stage.done(&["status", name, "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    status["instances"][0]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok())
}

#[test]
fn a_process_is_told_to_stop_by_the_signal_of_its_image() {
    let Some(stage) = Stage::set("a process is told to stop by the signal of its image") else { return };
    let text = "trap 'echo told by QUIT; exit 0' QUIT\nhttpd -f -p 8080 -h /www &\nwait";
    let image = script(text).set("StopSignal", json!("SIGQUIT"));
    let reference = pushed(&stage.registry, "acme/polite:1", &image);
    stage.done(&["deploy", &reference, "--name", "polite"]);
    stage.done(&["restart", "polite"]);
    let logs = stage.done(&["logs", "polite"]);
    assert!(logs.stdout.contains("told by QUIT"), "{}", logs.stdout);
}

#[test]
fn setuid_programs_gain_nothing_unless_the_service_may() {
    let test = "setuid programs gain nothing unless the service may";
    if !cfg!(target_arch = "x86_64") {
        return skipped(test, "the program it tries is for x86-64");
    }
    let Some(stage) = Stage::set(test) else { return };
    const SETUID: u32 = 105;
    let mut image = script(&format!(
        "/try/become-root; echo outcome $? > /tmp/index.html\n{}",
        SERVE.replace("/www", "/tmp")
    ));
    image.layers.push(Layer::new().directory("try", 0o755).file(
        "try/become-root",
        0o4755,
        syscall_program(SETUID, &[0]),
    ));
    let reference = pushed(&stage.registry, "acme/setuid:1", &image.set("User", json!("app")));
    stage.done(&["deploy", &reference, "--name", "plain"]);
    assert_eq!(stage.served("plain"), "outcome 1\n");
    stage.done(&["deploy", &reference, "--name", "trusted", "--allow-new-privileges"]);
    assert_eq!(stage.served("trusted"), "outcome 0\n");
}

#[test]
fn containers_run_the_same_by_runc() {
    let test = "containers run the same by runc";
    if !is_installed("runc") {
        return skipped(test, "needs `runc`; `cargo xtask test` installs it");
    }
    let Some(mut stage) = Stage::set_with(test, &["--runtime", "runc"]) else { return };
    let text = format!("echo by runc\n{SERVE}");
    let reference = pushed(&stage.registry, "acme/runc:1", &script(&text));
    stage.done(&["deploy", &reference, "--name", "runc", "--memory", "64MiB"]);
    assert_eq!(stage.served("runc"), "it runs");
    assert!(stage.done(&["logs", "runc"]).stdout.contains("by runc"));
    stage.platform.kill_control();
    stage.platform.serve().unwrap();
    assert_eq!(stage.served("runc"), "it runs");
    let exits = pushed(&stage.registry, "acme/exits:1", &script("exit 7"));
    let told = stage.refused(&["deploy", &exits, "--name", "exits"], "START_FAILED");
    assert!(told.stderr.contains("exit code 7"), "{}", told.stderr);
    stage.done(&["remove", "runc"]);
}

#[test]
fn a_start_on_a_full_disk_says_so_and_the_next_one_with_room_succeeds() {
    if !may_run_as_root("a start on a full disk says so and the next one with room succeeds") {
        return;
    }
    let options = PlatformOptions { disk_mib: Some(8), ..PlatformOptions::default() };
    let mut platform = Platform::unstarted(Path::new(BINARY), options).unwrap();
    let said = tempfile::Builder::new().prefix("mirage-full-").tempdir().unwrap();
    let filling = platform.data().join("filling");
    // Full at the first file, at the token, at the database, in the midst of its schema.
    for left in [0, 1, 4, 16, 64, 200] {
        let mut file = std::fs::File::options().create(true).append(true).open(&filling).unwrap();
        while file.write_all(&[0; 1024]).is_ok() {}
        file.set_len(file.metadata().unwrap().len().saturating_sub(left << 10)).unwrap();
        file.sync_all().unwrap();
        let mut serve = platform.command();
        serve.args(["serve", "--listen", "127.0.0.1:0", "--proxy-listen", "127.0.0.1:0"]);
        let mut refused = Process::start(&mut serve, said.path(), &format!("with-{left}")).unwrap();
        let code = refused.wait(Duration::from_secs(30)).unwrap();
        let told = refused.stderr();
        assert_eq!(code, Some(1), "{left} KiB: {told}");
        for words in ["[DISK_FULL]", "hint: free some", &platform.data().display().to_string()] {
            assert!(told.contains(words), "{left} KiB: no `{words}` in {told}");
        }
    }
    std::fs::remove_file(filling).unwrap();
    platform.serve().unwrap();
}
