//! Commands that are run in a container.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mirage_core::ExecEnding;
use mirage_engine::exec::{Answer, Request};
use mirage_engine::shim::{self, ShimSpec, state};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Test;
use crate::fixture::{Bench, Instance};

pub(crate) const TESTS: &[Test] = &[
    ("a_command_sees_what_the_container_sees", a_command_sees_what_the_container_sees),
    ("a_command_is_no_mightier_than_the_container", a_command_is_no_mightier_than_the_container),
    ("a_command_ends_as_it_ends", a_command_ends_as_it_ends),
    ("a_command_is_found_as_the_container_s_own", a_command_is_found_as_the_container_s_own),
    ("a_command_whose_time_is_over_is_killed_whole", a_command_whose_time_is_over_is_killed_whole),
    ("a_command_leaves_nothing_behind", a_command_leaves_nothing_behind),
    ("a_command_nobody_waits_for_is_killed", a_command_nobody_waits_for_is_killed),
    ("a_command_begins_while_the_one_before_is_being_ended", begins_while_the_one_before_is_being_ended),
    ("a_command_cannot_flood_us", a_command_cannot_flood_us),
    ("a_command_in_a_container_that_is_gone_is_refused", a_command_in_a_container_that_is_gone_is_refused),
    ("a_command_ends_with_its_container", a_command_ends_with_its_container),
    ("a_command_is_held_by_the_limits_of_the_container", a_command_is_held_by_the_limits_of_the_container),
    ("a_command_cannot_be_mirage_itself", a_command_cannot_be_mirage_itself),
    ("measured_a_hundred_commands", measured_a_hundred_commands),
];

const LONG: Duration = Duration::from_secs(30);

/// A container that idles, in a way that reaps no children.
const IDLE: &str = "exec sleep 1000";

fn request(instance: &Instance, arguments: &[&str], limit: Duration) -> Request {
    Request {
        folder: instance.dir.clone(),
        arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
        variables: vec![("SECRET".into(), "hunter2".into())],
        timeout_millis: limit.as_millis() as u64,
        output_bytes: 4096,
    }
}

/// Starts a runner; the command lives as long as its standard input is open.
fn begin(request: &Request) -> Child {
    let mut runner = Command::new("/proc/self/exe")
        .arg("runner-of-commands")
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = serde_json::to_vec(request).unwrap();
    line.push(b'\n');
    runner.stdin.as_mut().unwrap().write_all(&line).unwrap();
    runner
}

fn answer(mut runner: Child) -> Answer {
    let mut text = String::new();
    runner.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(runner.wait().unwrap().success());
    serde_json::from_str(&text).unwrap()
}

fn exec(instance: &Instance, arguments: &[&str]) -> Answer {
    answer(begin(&request(instance, arguments, LONG)))
}

/// What a script prints that ends well.
fn shell(instance: &Instance, script: &str) -> String {
    match exec(instance, &["/bin/sh", "-c", script]) {
        Answer::Ended { ending: ExecEnding::Code(0), output, withstands: false } => output,
        other => panic!("{other:?}"),
    }
}

fn idle(bench: &Bench, change: impl FnOnce(&mut ShimSpec)) -> (Instance, i32) {
    let mut instance = bench.start_with(IDLE, change);
    let pid = instance.running();
    (instance, pid)
}

/// How many processes the container has, seen from inside by nobody.
fn processes(instance: &Instance) -> usize {
    instance.group.processes().len()
}

fn a_command_sees_what_the_container_sees(bench: &Bench) {
    let (instance, pid) = idle(bench, |spec| {
        spec.process.user = "app".into();
        spec.process.working_directory = "/home/app".into();
        spec.process.variables.push(("PATH".into(), "/nowhere:/bin".into()));
    });
    let seen = shell(&instance, "id -u; id -G; pwd; hostname; cat /proc/1/cmdline | tr '\\0' ' '; echo");
    assert_eq!(seen, "1000\n1001 29\n/home/app\nweb-1\nsleep 1000 \n");
    for kind in ["mnt", "pid", "net", "ipc", "uts", "cgroup"] {
        let inside = shell(&instance, &format!("readlink /proc/self/ns/{kind}"));
        let outside = fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        assert_eq!(Path::new(inside.trim()), outside, "{kind}");
    }
    let mut variables: Vec<String> = shell(&instance, "env").lines().map(str::to_owned).collect();
    let own = fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    let mut expected: Vec<String> = own.trim_end_matches('\0').split('\0').map(str::to_owned).collect();
    for all in [&mut variables, &mut expected] {
        // A shell makes some of its own; the search path was another one on purpose.
        all.retain(|one| !["PWD=", "SHLVL=", "PATH=", "OLDPWD="].iter().any(|made| one.starts_with(made)));
        all.sort();
    }
    assert_eq!(variables, expected, "the variables of the container's own process");
    // Root's group files, seen from the host: a command is where the container's limits are.
    let inside = shell(&instance, "cat /proc/self/cgroup");
    assert!(inside.contains("/exec") || inside.contains("0::/"), "{inside}");
    assert!(
        !shell(&instance, "cat /proc/*/cmdline | tr '\\0' ' '").contains(&*instance.dir.to_string_lossy())
    );
}

/// What of `/proc/<pid>/status` speaks of rights.
fn rights(status: &str) -> BTreeMap<String, String> {
    const RIGHTS: &[&str] = &[
        "Uid",
        "Gid",
        "Groups",
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
        "Seccomp_filters",
        "SigIgn",
        "SigBlk",
    ];
    let pairs = status.lines().filter_map(|line| line.split_once(":\t"));
    let pairs = pairs.filter(|(name, _)| RIGHTS.contains(name));
    // Signals from 32 on are the C library's own.
    let ordinary = |value: &str| format!("{:x}", u64::from_str_radix(value, 16).unwrap() & 0x7fff_ffff);
    let value = |(name, value): (&str, &str)| {
        let value = if name.starts_with("Sig") { ordinary(value.trim()) } else { value.trim().to_owned() };
        (name.to_owned(), value)
    };
    pairs.map(value).collect()
}

fn a_command_is_no_mightier_than_the_container(bench: &Bench) {
    for user in ["", "app", "4711:4712"] {
        for allow in [false, true] {
            let (instance, pid) = idle(bench, |spec| {
                spec.process.user = user.into();
                spec.allow_new_privileges = allow;
            });
            // Asked first: by then runc has become the container's own process, too.
            let theirs = rights(&shell(&instance, "exec cat /proc/self/status"));
            let own = rights(&fs::read_to_string(format!("/proc/{pid}/status")).unwrap());
            assert_eq!(own, theirs, "as `{user}`, new privileges {allow}");
            assert_eq!(theirs["Seccomp"], "2");
            let of = |what: &str| {
                let own = fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap();
                (own, shell(&instance, &format!("exec cat /proc/self/{what}")))
            };
            for what in ["limits", "oom_score_adj"] {
                let (own, theirs) = of(what);
                assert_eq!(own, theirs);
            }
            assert_eq!(
                shell(&instance, "ls /proc/self/fd | tr '\\n' ' '"),
                "0 1 2 3 ",
                "no descriptor leaks in"
            );
        }
    }
    let (instance, _) = idle(bench, |_| {});
    for attempt in ["mount -t tmpfs none /tmp", "unshare -m true", "mknod /tmp/d b 8 0 && cat /tmp/d"] {
        let Answer::Ended { ending, .. } = exec(&instance, &["/bin/sh", "-c", attempt]) else { panic!() };
        assert!(!ending.is_success(), "{attempt}");
    }
}

fn a_command_ends_as_it_ends(bench: &Bench) {
    let (instance, _) = idle(bench, |_| {});
    let ended = |script: &str| match exec(&instance, &["/bin/sh", "-c", script]) {
        Answer::Ended { ending, output, .. } => (ending, output),
        other => panic!("{other:?}"),
    };
    assert_eq!(ended("echo out; echo err >&2; exit 7"), (ExecEnding::Code(7), "out\nerr\n".into()));
    assert_eq!(ended("kill -TERM $$"), (ExecEnding::Signal(15), String::new()));
    assert_eq!(ended("kill -9 $$"), (ExecEnding::Signal(9), String::new()));
    assert_eq!(ended("echo > /dev/stdout by name; read line; echo $?").1, "by name\n1\n");
}

fn a_command_is_found_as_the_container_s_own(bench: &Bench) {
    let (instance, _) = idle(bench, |spec| spec.process.working_directory = "/home/app".into());
    assert!(matches!(exec(&instance, &["true"]), Answer::Ended { ending: ExecEnding::Code(0), .. }));
    let script = "printf '#!/bin/sh -e\\necho $# $1\\nfalse\\necho no\\n' > check; chmod +x check; chmod 711 /bin/busybox";
    shell(&instance, script);
    let Answer::Ended { ending, output, .. } = exec(&instance, &["./check", "a b", "c"]) else { panic!() };
    assert_eq!((ending, output.as_str()), (ExecEnding::Code(1), "2 a b\n"));

    let refused = |words: &[&str]| match exec(&instance, words) {
        Answer::Refused(why) => why,
        other => panic!("{other:?}"),
    };
    let path = "the image's PATH (/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)";
    assert_eq!(refused(&["no-such-program"]), format!("no such program `no-such-program` in {path}"));
    assert_eq!(refused(&["/no/such"]), "no such program `/no/such` in the image");
    assert_eq!(refused(&["plain"]), "`/bin/plain` is not executable");
    assert!(refused(&["a\0b"]).contains("no such program"), "{}", refused(&["a\0b"]));

    // As where the container's own processes have changed its `/etc/passwd`.
    let mut spec = ShimSpec::without_variables(&instance.dir).unwrap();
    spec.process.user = "ghost".into();
    fs::write(ShimSpec::path(&instance.dir), serde_json::to_vec(&spec).unwrap()).unwrap();
    match exec(&instance, &["true"]) {
        Answer::Refused(why) => assert!(why.starts_with("no such user `ghost`"), "{why}"),
        other => panic!("{other:?}"),
    }
}

fn a_command_whose_time_is_over_is_killed_whole(bench: &Bench) {
    let (instance, _) = idle(bench, |_| {});
    // One that will not end, one that has left its session and its parent, and one that waits for both.
    let script = "trap '' TERM INT HUP; echo begun; (setsid sleep 1000 &) ; sleep 1000 & wait";
    let words = ["/bin/sh", "-c", script];
    let told = answer(begin(&request(&instance, &words, Duration::from_millis(300))));
    let ending = ExecEnding::TimedOut;
    assert_eq!(told, Answer::Ended { ending, output: "begun\n".into(), withstands: false });
    assert_eq!(processes(&instance), 1, "only the container's own process is left");
}

fn a_command_leaves_nothing_behind(bench: &Bench) {
    let (instance, pid) = idle(bench, |_| {});
    shell(&instance, "(setsid sleep 1000 >/dev/null 2>&1 &); (sleep 1000 &); sleep 1000 & exit 0");
    assert_eq!(processes(&instance), 1);
    // Not even a zombie, though the container's first process collects none.
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    assert_eq!(children, "");
    assert!(instance.group.paths().iter().all(|path| !path.join("exec").exists()), "no part of a group");
}

fn a_command_nobody_waits_for_is_killed(bench: &Bench) {
    let (instance, _) = idle(bench, |_| {});
    let words = ["/bin/sh", "-c", "touch /tmp/begun; sleep 1000"];
    let mut runner = begin(&request(&instance, &words, LONG));
    until("it begins", || has_written(&instance, "begun"));
    drop(runner.stdin.take());
    runner.wait().unwrap();
    assert_eq!(processes(&instance), 1);

    // A runner that is killed itself leaves its command to the next one.
    let words = ["/bin/sh", "-c", "(setsid sleep 1000 &); touch /tmp/again; sleep 1000"];
    let mut runner = begin(&request(&instance, &words, LONG));
    until("it begins again", || has_written(&instance, "again"));
    runner.kill().unwrap();
    runner.wait().unwrap();
    shell(&instance, "true");
    assert_eq!(processes(&instance), 1);
}

/// As where a control plane was killed during a command, and the next one asks for another at once.
fn begins_while_the_one_before_is_being_ended(bench: &Bench) {
    let (instance, own) = idle(bench, |_| {});
    let words = ["/bin/sh", "-c", "(setsid sleep 1000 &); touch /tmp/first; sleep 1000"];
    let mut first = begin(&request(&instance, &words, LONG));
    until("it begins", || has_written(&instance, "first"));
    let pid = Pid::from_raw(first.id().cast_signed());
    kill(pid, Signal::SIGSTOP).unwrap();
    drop(first.stdin.take());
    let words =
        ["/bin/sh", "-c", "touch /tmp/second; while [ ! -e /tmp/enough ]; do sleep 0.01; done; echo done"];
    let second = begin(&request(&instance, &words, LONG));
    until("the second begins", || has_written(&instance, "second"));
    kill(pid, Signal::SIGCONT).unwrap();
    let first = answer(first);
    fs::write(format!("/proc/{own}/root/tmp/enough"), "").unwrap();
    let ending = ExecEnding::Code(0);
    assert_eq!(answer(second), Answer::Ended { ending, output: "done\n".into(), withstands: false });
    // Each ends what is its own, and nothing else.
    assert!(matches!(first, Answer::Ended { withstands: false, .. }), "{first:?}");
    assert_eq!(processes(&instance), 1);
    for path in instance.group.paths().iter().filter(|path| path.exists()) {
        let parts = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        assert_eq!(parts.filter(|path| path.is_dir()).collect::<Vec<_>>(), Vec::<PathBuf>::new());
    }
}

/// Whether a file of this name is in the container's `/tmp`.
fn has_written(instance: &Instance, name: &str) -> bool {
    instance.dir.join("writable/upper/tmp").join(name).exists()
}

fn until(what: &str, reached: impl Fn() -> bool) {
    let since = Instant::now();
    while !reached() {
        assert!(since.elapsed() < LONG, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn a_command_cannot_flood_us(bench: &Bench) {
    let (instance, _) = idle(bench, |_| {});
    let flood = "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last";
    let Answer::Ended { output, .. } = exec(&instance, &["/bin/sh", "-c", flood]) else { panic!() };
    assert_eq!(output, "last\n");
    let Answer::Ended { ending, output, .. } = exec(&instance, &["/bin/sh", "-c", "exec cat /dev/zero"])
    else {
        panic!()
    };
    assert!(!ending.is_success() && output.len() == 4096, "{ending:?} {}", output.len());
}

fn a_command_in_a_container_that_is_gone_is_refused(bench: &Bench) {
    let (mut instance, pid) = idle(bench, |_| {});
    let written = state::read(&instance.dir).unwrap();
    let gone = Answer::Gone("its process does not run any more".into());
    // The number of a process that is another one by now.
    let mut other = written.clone();
    let process = state::ProcessMark { pid, started: 1 };
    other.phase = shim::Phase::Running { process, since: jiff::Timestamp::UNIX_EPOCH };
    state::write(&instance.dir, &other).unwrap();
    assert_eq!(exec(&instance, &["true"]), gone);
    // A process that is in no container.
    let process = state::ProcessMark::of(std::process::id().cast_signed()).unwrap();
    other.phase = shim::Phase::Running { process, since: jiff::Timestamp::UNIX_EPOCH };
    state::write(&instance.dir, &other).unwrap();
    assert!(matches!(exec(&instance, &["true"]), Answer::Refused(why) if why.contains("this runtime")));
    // Another boot's.
    other = state::ShimState { boot: "another".into(), ..written.clone() };
    state::write(&instance.dir, &other).unwrap();
    assert_eq!(exec(&instance, &["true"]), gone);

    state::write(&instance.dir, &written).unwrap();
    shell(&instance, "true");
    instance.ask(&shim::Request::Kill {});
    instance.exit();
    assert_eq!(exec(&instance, &["true"]), gone);
    fs::remove_dir_all(&instance.dir).unwrap();
    assert_eq!(exec(&instance, &["true"]), gone);
}

fn a_command_ends_with_its_container(bench: &Bench) {
    let (mut instance, _) = idle(bench, |_| {});
    let words = ["/bin/sh", "-c", "touch /tmp/begun; sleep 1000"];
    let runner = begin(&request(&instance, &words, LONG));
    until("it begins", || has_written(&instance, "begun"));
    instance.ask(&shim::Request::Kill {});
    instance.exit();
    assert_eq!(answer(runner), Answer::Gone("its process does not run any more".into()));
}

fn a_command_is_held_by_the_limits_of_the_container(bench: &Bench) {
    let (instance, _) = idle(bench, |spec| {
        spec.resources.memory_bytes = Some(32 << 20);
        spec.resources.pids = 20;
    });
    let Answer::Ended { ending, .. } = exec(&instance, &["tail", "-c", "200m", "/dev/zero"]) else {
        panic!()
    };
    assert_eq!(ending, ExecEnding::Signal(9), "out of memory");
    let many = "n=0; while [ $n -lt 40 ]; do sleep 1000 & n=$((n+1)); done; echo all";
    let Answer::Ended { ending, output, .. } = exec(&instance, &["/bin/sh", "-c", many]) else { panic!() };
    assert!(!ending.is_success() && output.contains("fork"), "{ending:?} {output}");
    assert_eq!(processes(&instance), 1);
}

/// CVE-2019-5736: whoever controls the files of a container must not get hold of our program.
fn a_command_cannot_be_mirage_itself(bench: &Bench) {
    let (instance, _) = idle(bench, |_| {});
    shell(
        &instance,
        "ln -s /proc/self/exe /tmp/link; printf '#!/proc/self/exe\\n' > /tmp/script; chmod +x /tmp/script",
    );
    shell(&instance, "ln -s /proc/self /tmp/self; printf '#!/tmp/link\\n' > /tmp/other; chmod +x /tmp/other");
    for program in ["/proc/self/exe", "/tmp/link", "/tmp/script", "/tmp/self/exe", "/tmp/other", "/dev/fd/0"]
    {
        let told = exec(&instance, &[program]);
        assert!(matches!(told, Answer::Refused(_)), "{program}: {told:?}");
    }
    // Nor is there anything to be learned of what stands beside the command.
    let seen = shell(
        &instance,
        "for f in exe root cwd environ fd/0 maps; do cat /proc/[0-9]*/$f; ls -l /proc/[0-9]*/$f; done 2>&1",
    );
    assert!(!seen.contains("hunter2") || seen.contains("SECRET=hunter2"), "its own environment at most");
    let own = std::env::current_exe().unwrap();
    assert!(!seen.contains(&*own.to_string_lossy()), "{seen}");
}

fn measured_a_hundred_commands(bench: &Bench) {
    let (instance, _) = idle(bench, |_| {});
    let mut took: Vec<Duration> = (0..100)
        .map(|_| {
            let since = Instant::now();
            assert!(matches!(exec(&instance, &["true"]), Answer::Ended { ending: ExecEnding::Code(0), .. }));
            since.elapsed()
        })
        .collect();
    took.sort();
    let millis = |at: usize| took[at].as_secs_f64() * 1000.0;
    println!("    a command: {:.1} ms in the median, {:.1} ms at most of 90 in 100", millis(50), millis(90));
}
