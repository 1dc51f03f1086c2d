//! The control plane dies at any moment; what runs goes on, and is found again.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use xtask::bed::{Platform, PlatformOptions, Registry, eventually, may_run_as_root};

use crate::sample::{pushed, script, web};
use crate::stage::{BINARY, Stage};

/// Ids of the processes that carry containers.
fn shims(stage: &Stage) -> BTreeSet<u32> {
    let processes = stage.platform.processes().into_iter();
    processes.filter(|(_, line)| line.split(' ').any(|word| word == "shim")).map(|(id, _)| id).collect()
}

#[test]
fn a_killed_control_process_is_not_missed_and_the_next_one_adopts_what_runs() {
    let Some(mut stage) =
        Stage::set("a killed control process is not missed and the next one adopts what runs")
    else {
        return;
    };
    let counting =
        "(i=0; while true; do echo line $i; i=$((i+1)); usleep 20000; done) &\nexec httpd -f -p 8080 -h /www";
    let reference = pushed(&stage.registry, "acme/counter:1", &script(counting));
    stage.done(&["deploy", &reference, "--name", "counter"]);
    let before = shims(&stage);
    assert_eq!(before.len(), 1);

    stage.platform.kill_control();
    let answer = stage.platform.visit("counter-production").unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "it runs"));

    stage.platform.serve().unwrap();
    let status = stage.done(&["status", "counter"]);
    assert!(status.stdout.contains("active"), "{}", status.stdout);
    assert_eq!(shims(&stage), before, "the same container");
    assert_eq!(stage.served("counter"), "it runs");

    // A line from after the adoption, so that the log spans all three lives.
    let after = lines(&stage).len() + 5;
    let lines =
        eventually("more lines", Duration::from_secs(10), || Some(lines(&stage)).filter(|l| l.len() > after))
            .unwrap();
    for (expected, line) in lines.iter().enumerate() {
        assert_eq!(*line, format!("line {expected}"), "a hole in the log");
    }
}

/// What the counter has written, without what narration stands around each line.
fn lines(stage: &Stage) -> Vec<String> {
    let logs = stage.done(&["logs", "counter"]);
    let all = logs.stdout.lines().filter_map(|line| line.find("line ").map(|at| line[at..].to_owned()));
    all.collect()
}

#[test]
fn a_proxy_that_dies_after_its_file_was_replaced_comes_back() {
    let test = "a proxy that dies after its file was replaced comes back";
    if !may_run_as_root(test) {
        return;
    }
    let folder = tempfile::Builder::new().prefix("mirage-upgrade-").tempdir().unwrap();
    let binary = folder.path().join("mirage");
    std::fs::copy(BINARY, &binary).unwrap();
    let platform = Platform::start(&binary, PlatformOptions::default()).unwrap();
    let stage = Stage { registry: Registry::start().unwrap(), platform };
    let reference = pushed(&stage.registry, "acme/web:1", &web("served on"));
    stage.done(&["deploy", &reference, "--name", "web"]);
    std::fs::remove_file(&binary).unwrap();
    std::fs::copy(BINARY, &binary).unwrap();

    let processes = stage.platform.processes();
    let proxy = processes.iter().find(|(_, line)| line.split(' ').any(|word| word == "proxy")).unwrap().0;
    kill(Pid::from_raw(proxy.cast_signed()), Signal::SIGKILL).unwrap();
    assert_eq!(stage.served("web"), "served on");
    stage.done(&["restart", "web"]);
    assert_eq!(stage.served("web"), "served on");
}

#[test]
fn a_container_that_broke_while_nobody_looked_is_started_again() {
    let Some(mut stage) = Stage::set("a container that broke while nobody looked is started again") else {
        return;
    };
    let reference = pushed(&stage.registry, "acme/web:1", &web("again"));
    stage.done(&["deploy", &reference, "--name", "web"]);
    let before = shims(&stage);
    stage.platform.kill_control();
    for shim in &before {
        let id = nix::unistd::Pid::from_raw(i32::try_from(*shim).unwrap());
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGKILL).unwrap();
    }
    stage.platform.serve().unwrap();
    assert_eq!(stage.served("web"), "again");
    assert!(shims(&stage).is_disjoint(&before));
}

#[test]
fn a_deploy_that_was_on_its_way_is_finished_by_the_next_life() {
    let Some(mut stage) = Stage::set("a deploy that was on its way is finished by the next life") else {
        return;
    };
    let reference = pushed(&stage.registry, "acme/web:1", &web("finished"));
    stage.done(&["deploy", &reference, "--name", "web", "--detach"]);
    stage.platform.kill_control();
    stage.platform.serve().unwrap();
    assert_eq!(stage.served("web"), "finished");
}

#[test]
fn the_platform_goes_down_and_comes_up_again_with_its_services() {
    let Some(mut stage) = Stage::set("the platform goes down and comes up again with its services") else {
        return;
    };
    let reference = pushed(&stage.registry, "acme/web:1", &web("back again"));
    stage.done(&["deploy", &reference, "--name", "web"]);
    assert_eq!(stage.platform.down().unwrap(), Vec::<String>::new());
    assert!(stage.platform.visit("web-production").is_err(), "the proxy is gone");
    stage.platform.serve().unwrap();
    assert_eq!(stage.served("web"), "back again");
}
