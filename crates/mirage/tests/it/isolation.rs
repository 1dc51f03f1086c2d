//! What a container cannot do.
//!
//! Each story has a control: the same attempt where it is allowed, or an ordinary act beside it, so
//! that a tool that does not work at all is not taken for a wall.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::Command;

use xtask::bed::{skipped, syscall_number};

use crate::sample::{SERVE, pushed, script, web, with_calls};
use crate::stage::Stage;

/// What a script reported: `name outcome` lines of the service's log.
fn outcomes(stage: &Stage, name: &str) -> BTreeMap<String, String> {
    let logs = stage.done(&["logs", name]);
    let told = logs.stdout.lines().filter_map(|line| line.split_once("outcome ")).map(|(_, told)| told);
    told.filter_map(|told| told.split_once(' '))
        .map(|(name, rest)| (name.to_owned(), rest.to_owned()))
        .collect()
}

/// A script line that runs the attempt and reports its exit code.
fn attempt(name: &str, command: &str) -> String {
    format!("({command}) >/dev/null 2>&1; echo outcome {name} $?\n")
}

#[test]
fn a_container_cannot_touch_the_host_s_files_devices_or_kernel() {
    let Some(stage) = Stage::set("a container cannot touch the host's files, devices or kernel") else {
        return;
    };
    let attempts = [
        ("control-write", "echo x > /tmp/x && grep -q x /tmp/x"),
        ("write-sysctl", "echo mirage-was-here > /proc/sys/kernel/hostname"),
        ("write-sysrq", "echo h > /proc/sysrq-trigger"),
        ("write-sys", "mkdir /sys/fs/cgroup/mirage-was-here"),
        ("write-core-pattern", "echo x > /proc/sys/kernel/core_pattern"),
        ("read-kcore", "head -c 1 /proc/kcore | grep -q ."),
        (
            "read-disk",
            "mknod /tmp/disk b 254 0; mknod /tmp/disk8 b 8 0; head -c 1 /tmp/disk || head -c 1 /tmp/disk8",
        ),
        ("mount-tmpfs", "mkdir /tmp/m && mount -t tmpfs none /tmp/m"),
        ("mount-proc", "mkdir /tmp/p && mount -t proc none /tmp/p"),
        ("mount-rw", "mount -o remount,rw /sys"),
    ];
    let mut text: String = attempts.iter().map(|(name, command)| attempt(name, command)).collect();
    text += "touch /escaped\n";
    text += SERVE;
    let reference = pushed(&stage.registry, "acme/attempts:1", &script(&text));
    stage.done(&["deploy", &reference, "--name", "attempts"]);
    let outcomes = outcomes(&stage, "attempts");
    assert_eq!(outcomes["control-write"], "0");
    for (name, _) in &attempts[1..] {
        assert_ne!(outcomes[*name], "0", "{name} succeeded");
    }
    assert!(!std::fs::exists("/escaped").unwrap(), "the container's root is the host's");
}

#[test]
fn a_container_sees_no_process_but_its_own() {
    let Some(stage) = Stage::set("a container sees no process but its own") else { return };
    let mut marker = Command::new("busybox").args(["sleep", "98765"]).spawn().unwrap();
    let text = format!(
        "cat /proc/[0-9]*/cmdline > /tmp/all\ngrep -q 98765 /tmp/all; echo outcome host $?\n\
         grep -q app/run /tmp/all; echo outcome own $?\n{SERVE}"
    );
    let reference = pushed(&stage.registry, "acme/looking:1", &script(&text));
    stage.done(&["deploy", &reference, "--name", "looking"]);
    let outcomes = outcomes(&stage, "looking");
    marker.kill().unwrap();
    marker.wait().unwrap();
    assert_eq!((outcomes["own"].as_str(), outcomes["host"].as_str()), ("0", "1"));
}

#[test]
fn system_calls_that_reach_for_the_kernel_are_refused() {
    let test = "system calls that reach for the kernel are refused";
    if !cfg!(target_arch = "x86_64") {
        return skipped(test, "the programs it tries are for x86-64");
    }
    let Some(stage) = Stage::set(test) else { return };
    const EPERM: &str = "1";
    const ENOSYS: &str = "38";
    const CLONE_NEWUSER: u64 = 0x1000_0000;
    // Process 1 of the host is outside; inside there is another one of that number, so a number is
    // used that only the host has.
    let outside = u64::from(std::process::id());
    let calls: &[(&str, &[u64], &[&str])] = &[
        ("getpid", &[], &["0"]),
        ("keyctl", &[0, 1, 0], &[EPERM]),
        ("add_key", &[], &[EPERM]),
        ("bpf", &[0, 0, 0], &[EPERM]),
        ("mount", &[0, 0, 0, 0, 0], &[EPERM]),
        ("unshare", &[CLONE_NEWUSER], &[EPERM]),
        ("setns", &[0, 0], &[EPERM]),
        ("clone3", &[0, 0], &[ENOSYS]),
        ("init_module", &[0, 0, 0], &[EPERM]),
        ("finit_module", &[0, 0, 0], &[EPERM]),
        ("kexec_load", &[0, 0, 0, 0], &[EPERM]),
        ("reboot", &[0, 0, 0], &[EPERM]),
        ("io_uring_setup", &[1, 0], &[EPERM]),
        ("userfaultfd", &[0], &[EPERM]),
        ("perf_event_open", &[0, 0, 0, 0, 0], &[EPERM]),
        ("open_by_handle_at", &[0, 0, 0], &[EPERM]),
        // PTRACE_ATTACH to a process of the host: there is no such process here.
        ("ptrace", &[16, outside, 0, 0], &["3", EPERM]),
    ];
    let programs: Vec<(&str, u32, &[u64])> =
        calls.iter().map(|(name, arguments, _)| (*name, syscall_number(name), *arguments)).collect();
    let text: String = calls.iter().map(|(name, ..)| attempt(name, &format!("/try/{name}"))).collect();
    let image = with_calls(script(&(text + SERVE)), &programs);
    let reference = pushed(&stage.registry, "acme/calls:1", &image);
    stage.done(&["deploy", &reference, "--name", "calls"]);
    let outcomes = outcomes(&stage, "calls");
    for (name, _, expected) in calls {
        assert!(expected.contains(&outcomes[*name].as_str()), "{name} ends with {}", outcomes[*name]);
    }
}

#[test]
fn a_process_that_takes_more_memory_than_it_may_is_killed_and_it_says_so() {
    let Some(stage) = Stage::set("a process that takes more memory than it may is killed and it says so")
    else {
        return;
    };
    // `tail` keeps the last line, and this line has no end.
    let text = "head -c 400000000 /dev/zero | tail -n 1 > /dev/null\nexit $?";
    let reference = pushed(&stage.registry, "acme/hungry:1", &script(text));
    let refused =
        stage.refused(&["deploy", &reference, "--name", "hungry", "--memory", "64MiB"], "START_FAILED");
    assert!(refused.stderr.contains("out of memory"), "{}", refused.stderr);
}

#[test]
fn a_process_that_forks_without_end_meets_its_limit() {
    let test = "a process that forks without end meets its limit";
    if !cfg!(target_arch = "x86_64") {
        return skipped(test, "the program it tries is for x86-64");
    }
    let Some(stage) = Stage::set(test) else { return };
    let mut image = script("exec /try/bomb");
    image.layers.push(xtask::bed::Layer::new().directory("try", 0o755).file(
        "try/bomb",
        0o755,
        xtask::bed::fork_bomb(),
    ));
    let reference = pushed(&stage.registry, "acme/bomb:1", &image);
    // EAGAIN: the kernel refused one more process.
    let refused = stage.refused(&["deploy", &reference, "--name", "bomb", "--pids", "50"], "START_FAILED");
    assert!(refused.stderr.contains("exit code 11"), "{}", refused.stderr);
}

#[test]
fn a_container_reaches_its_siblings_but_neither_the_host_nor_another_environment() {
    let Some(stage) =
        Stage::set("a container reaches its siblings but neither the host nor another environment")
    else {
        return;
    };
    let reference = pushed(&stage.registry, "acme/web:1", &web("reached"));
    stage.done(&["deploy", &reference, "--name", "sibling"]);
    stage.done(&["deploy", &reference, "--name", "foreign", "--environment", "staging"]);
    let foreign = stage.platform.backend_in("staging", "foreign", 8080).unwrap();
    let sibling = stage.platform.backend("sibling", 8080).unwrap();
    // Somebody careless on this machine who listens everywhere.
    let careless = TcpListener::bind("0.0.0.0:0").unwrap();
    let (careless, api) = (careless.local_addr().unwrap().port(), stage.platform.api_port());
    let proxy = stage.platform.proxy_port();
    // All at once: each refusal is a packet that is dropped, and takes its whole time.
    let connect = |name: &str, address: &str| {
        let command = format!("timeout 3 wget -q -O - http://{address}/");
        format!("({}) &\n", attempt(name, &command).trim_end())
    };
    let mut text = String::from("gateway=$(ip route | grep default | grep -o '[0-9.]*' | head -n 1)\n");
    text += "echo outcome gateway $gateway\n";
    text += &connect("sibling-by-name", "sibling:8080");
    text += &connect("sibling-by-address", &sibling.to_string());
    text += &connect("foreign-by-name", "foreign:8080");
    text += &connect("foreign-by-address", &foreign.to_string());
    for (name, port) in [("api", api), ("proxy", proxy), ("careless", careless)] {
        text += &connect(&format!("{name}-at-gateway"), &format!("$gateway:{port}"));
        text += &connect(&format!("{name}-at-loopback"), &format!("127.0.0.1:{port}"));
        for (at, address) in host_addresses().iter().enumerate() {
            text += &connect(&format!("{name}-at-host-{at}"), &format!("{address}:{port}"));
        }
    }
    text += "wait\n";
    text += SERVE;
    let spy = pushed(&stage.registry, "acme/spy:1", &script(&text));
    stage.done(&["deploy", &spy, "--name", "spy", "--health-timeout", "120"]);
    let outcomes = outcomes(&stage, "spy");
    assert!(outcomes["gateway"].contains('.'), "no gateway");
    for (name, outcome) in outcomes.iter().filter(|(name, _)| *name != "gateway") {
        assert_eq!(outcome == "0", name.starts_with("sibling"), "{name} ends with {outcome}");
    }
}

/// Addresses of this machine that are not loopback.
fn host_addresses() -> Vec<String> {
    let shown =
        xtask::bed::run("ip", &["-4", "-o", "address", "show", "scope", "global"]).unwrap_or_default();
    let addresses =
        shown.lines().filter_map(|line| line.split_whitespace().skip_while(|word| *word != "inet").nth(1));
    addresses.filter_map(|address| address.split('/').next()).take(2).map(str::to_owned).collect()
}
