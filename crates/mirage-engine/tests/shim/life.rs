//! From running to gone.

use std::fs;
use std::time::Duration;

use mirage_engine::shim::{Phase, Request, ShimSpec, state};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Test;
use crate::fixture::Bench;

pub(crate) const TESTS: &[Test] = &[
    ("a_process_ends_with_its_own_exit_code", a_process_ends_with_its_own_exit_code),
    ("output_arrives_line_by_line_with_its_stream", output_arrives_line_by_line_with_its_stream),
    ("a_stop_sends_the_images_signal", a_stop_sends_the_images_signal),
    (
        "a_process_that_ignores_the_signal_is_killed_after_the_grace",
        a_process_that_ignores_the_signal_is_killed,
    ),
    ("a_kill_ends_every_process_at_once", a_kill_ends_every_process_at_once),
    ("out_of_memory_is_told_apart", out_of_memory_is_told_apart),
    ("the_number_of_processes_is_limited", the_number_of_processes_is_limited),
    ("an_orphan_that_holds_the_output_does_not_hold_up_the_end", an_orphan_does_not_hold_up_the_end),
    ("a_killed_shim_leaves_no_mount_and_what_is_left_can_be_ended", a_killed_shim_leaves_no_mount),
    ("a_shim_whose_folder_vanishes_ends_its_container", a_shim_whose_folder_vanishes_ends_its_container),
    ("a_shim_that_is_told_to_end_stops_its_container", a_shim_that_is_told_to_end_stops_its_container),
    ("a_late_client_hears_the_state", a_late_client_hears_the_state),
];

fn stop(grace: u64) -> Request {
    Request::Stop { signal: None, grace_millis: grace }
}

fn a_process_ends_with_its_own_exit_code(bench: &Bench) {
    let (_, exit) = bench.output("exit 7");
    assert_eq!((exit.code, exit.signal, exit.oom, exit.start_error), (Some(7), None, false, None));
}

fn output_arrives_line_by_line_with_its_stream(bench: &Bench) {
    let mut instance = bench.start("echo one; echo two >&2; printf three; yes | head -n 20000 | tr y x");
    assert_eq!(instance.exit().code, Some(0));
    let lines = instance.log_lines();
    let line = |stream: &str, text: &str| (stream.to_owned(), text.to_owned());
    assert!(lines.contains(&line("stdout", "one")) && lines.contains(&line("stderr", "two")));
    assert_eq!(lines.iter().filter(|(_, text)| text == "x" || text == "threex").count(), 20_000);
}

fn a_stop_sends_the_images_signal(bench: &Bench) {
    let script = "trap 'echo bye; exit 3' QUIT; echo up; while :; do sleep 0.05; done";
    let mut instance = bench.start_with(script, |spec| spec.process.stop_signal = Some("SIGQUIT".into()));
    let pid = instance.running();
    instance.wait_for_line("up");
    instance.ask(&stop(30_000));
    let stopping = instance.next_state().unwrap().phase;
    assert!(matches!(stopping, Phase::Stopping { process, .. } if process.pid == pid), "{stopping:?}");
    assert_eq!(instance.exit().code, Some(3));
    assert!(instance.log().ends_with("bye\n"));
}

fn a_process_that_ignores_the_signal_is_killed(bench: &Bench) {
    let mut instance = bench.start("trap '' TERM; echo up; while :; do sleep 0.05; done");
    instance.running();
    instance.wait_for_line("up");
    instance.ask(&stop(100));
    let exit = instance.exit();
    assert_eq!((exit.code, exit.signal, exit.oom), (None, Some(9), false));
}

fn a_kill_ends_every_process_at_once(bench: &Bench) {
    let mut instance = bench.start("for i in 1 2 3; do sleep 1000 & done; echo up; wait");
    instance.running();
    instance.wait_for_line("up");
    assert!(instance.group.processes().len() >= 4);
    instance.ask(&Request::Kill {});
    assert_eq!(instance.exit().signal, Some(9));
}

fn out_of_memory_is_told_apart(bench: &Bench) {
    let fill = "head -c 200m /dev/zero | tail";
    let small = |spec: &mut ShimSpec| spec.resources.memory_bytes = Some(64 << 20);
    let (_, exit) = bench.output_with(&format!("{fill}; exit $?"), small);
    assert_eq!((exit.code, exit.oom), (Some(137), true));
    let (_, exit) = bench.output_with("kill -9 $$; exit 137", small);
    assert!(!exit.oom, "{exit:?}");
}

fn the_number_of_processes_is_limited(bench: &Bench) {
    let script = "for i in $(seq 60); do sleep 1000 & done; echo all";
    let (log, _) = bench.output_with(script, |spec| spec.resources.pids = 20);
    assert!(log.contains("can't fork: Resource temporarily unavailable"), "{log}");
}

fn an_orphan_does_not_hold_up_the_end(bench: &Bench) {
    let (log, exit) = bench.output("(setsid sleep 1000 &) ; echo done");
    assert_eq!((log.as_str(), exit.code), ("done\n", Some(0)));
}

fn mounts_of(bench: &Bench) -> usize {
    let place = bench.folder.path().to_str().unwrap();
    fs::read_to_string("/proc/self/mountinfo").unwrap().lines().filter(|line| line.contains(place)).count()
}

fn a_killed_shim_leaves_no_mount(bench: &Bench) {
    let mut instance = bench.start("while :; do sleep 1000; done");
    let pid = instance.running();
    assert_eq!(mounts_of(bench), 0, "the host sees none of the container's mounts");
    instance.shim.kill().unwrap();
    instance.shim.wait().unwrap();
    if !bench.is_runc() {
        // The container dies with its shim; runc offers no way to arrange that.
        while kill(Pid::from_raw(pid), None).is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    instance.group.end(Duration::from_secs(10)).unwrap();
    assert_eq!(mounts_of(bench), 0);
    assert!(matches!(state::read(&instance.dir).unwrap().phase, Phase::Running { .. }));
}

fn a_shim_whose_folder_vanishes_ends_its_container(bench: &Bench) {
    let mut instance = bench.start("trap 'exit 3' TERM; while :; do sleep 0.05; done");
    instance.running();
    fs::remove_dir_all(&instance.dir).unwrap();
    while instance.next_state().is_some() {}
    assert!(instance.shim.wait().unwrap().success());
    assert!(instance.group.paths().iter().all(|path| !path.exists()));
}

fn a_shim_that_is_told_to_end_stops_its_container(bench: &Bench) {
    let mut instance = bench.start("trap 'exit 4' TERM; echo up; while :; do sleep 0.05; done");
    instance.running();
    instance.wait_for_line("up");
    kill(Pid::from_raw(instance.shim.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert_eq!(instance.exit().code, Some(4));
}

fn a_late_client_hears_the_state(bench: &Bench) {
    use mirage_engine::shim::client::{Decoder, SocketName};
    use std::io::Read;
    let mut instance = bench.start("while :; do sleep 1000; done");
    let pid = instance.running();
    let name = SocketName::open(&instance.dir).unwrap();
    let mut late = std::os::unix::net::UnixStream::connect(name.path()).unwrap();
    let (mut decoder, mut bytes) = (Decoder::default(), [0; 1024]);
    let state = loop {
        let length = late.read(&mut bytes).unwrap();
        decoder.push(&bytes[..length]);
        if let Some(state) = decoder.next_state().unwrap() {
            break state;
        }
    };
    assert!(matches!(state.phase, Phase::Running { process, .. } if process.pid == pid));
    assert!(state.shim.exists());
    assert_eq!(state.boot, state::boot().unwrap());
}
