//! What is right, and what is said when something is not, before the program runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use mirage_engine::shim::{Request, ShimSpec};

use crate::Test;
use crate::fixture::Bench;

pub(crate) const TESTS: &[Test] = &[
    ("users_of_the_image_are_obeyed", users_of_the_image_are_obeyed),
    ("the_environment_is_the_one_that_was_asked_for", the_environment_is_the_one_that_was_asked_for),
    ("a_missing_working_directory_is_made", a_missing_working_directory_is_made),
    ("what_cannot_be_started_is_said_in_a_sentence", what_cannot_be_started_is_said_in_a_sentence),
    ("secrets_do_not_stay_on_disk", secrets_do_not_stay_on_disk),
    ("a_log_link_to_stdout_works_for_every_user", a_log_link_to_stdout_works_for_every_user),
    ("a_hundred_and_twenty_seven_layers_are_stacked", many_layers_are_stacked),
    ("a_stop_during_the_start_takes_effect", a_stop_during_the_start_takes_effect),
    ("a_start_that_hangs_is_given_up_or_stopped", a_start_that_hangs_is_given_up_or_stopped),
    ("a_folder_with_a_long_name_is_no_obstacle", a_folder_with_a_long_name_is_no_obstacle),
];

fn users_of_the_image_are_obeyed(bench: &Bench) {
    let shown = |user: &str| {
        let user = user.to_owned();
        bench.output_with("id -u; id -g; id -G; echo $HOME", |spec| spec.process.user = user).0
    };
    assert_eq!(shown(""), "0\n0\n0\n/root\n");
    assert_eq!(shown("app"), "1000\n1001\n1001 29\n/home/app\n");
    assert_eq!(shown("1000"), "1000\n1001\n1001 29\n/home/app\n");
    assert_eq!(shown("app:audio"), "1000\n29\n29\n/home/app\n");
    assert_eq!(shown("4711:4712"), "4711\n4712\n4712\n/\n");
    let (_, exit) = bench.output_with("true", |spec| spec.process.user = "nobody".into());
    assert_eq!(exit.start_error.unwrap(), "no such user `nobody`: the image's /etc/passwd does not name it");
}

fn the_environment_is_the_one_that_was_asked_for(bench: &Bench) {
    let mut spec = bench.spec(&["env"]);
    spec.process.variables =
        vec![("B".into(), "1".into()), ("A".into(), "x y=z".into()), ("B".into(), "2".into())];
    let mut instance = bench.start_spec(spec);
    assert_eq!(instance.exit().code, Some(0));
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let mut lines: Vec<String> = instance.log_lines().into_iter().map(|(_, text)| text).collect();
    lines.sort();
    assert_eq!(lines, ["A=x y=z", "B=2", "HOME=/root", "HOSTNAME=web-1", path]);
}

fn a_missing_working_directory_is_made(bench: &Bench) {
    let (log, _) = bench.output_with("pwd; hostname; cat /etc/hosts", |spec| {
        spec.process.working_directory = "srv/../opt/app".into();
    });
    assert_eq!(log, "/opt/app\nweb-1\n127.0.0.1 localhost\n");
}

fn what_cannot_be_started_is_said_in_a_sentence(bench: &Bench) {
    let refused = |arguments: &[&str], change: fn(&mut ShimSpec)| {
        let mut spec = bench.spec(arguments);
        change(&mut spec);
        let exit = bench.start_spec(spec).exit();
        assert_eq!((exit.code, exit.signal), (None, None));
        exit.start_error.unwrap()
    };
    let nothing = |_: &mut ShimSpec| {};
    assert!(refused(&["nginx"], nothing).starts_with("no such program `nginx` in the image's PATH"));
    assert_eq!(refused(&["/app/server"], nothing), "no such program `/app/server` in the image");
    assert_eq!(refused(&["/bin/plain"], nothing), "`/bin/plain` is not executable");
    assert_eq!(refused(&[], nothing), "the image names no program to run, and no command was given");
    let network = refused(&["true"], |spec| spec.network_namespace = "/nowhere".into());
    assert!(network.contains("could not"), "{network}");
    let layer = refused(&["true"], |spec| spec.layers = vec!["/nowhere/at/all".into()]);
    assert!(layer.starts_with("Mirage could not stack the image's layers"), "{layer}");
}

fn secrets_do_not_stay_on_disk(bench: &Bench) {
    let mut instance = bench.start("echo $SECRET; while :; do sleep 1000; done");
    instance.running();
    instance.wait_for_line("hunter2");
    for file in ["spec.json", "state.json"] {
        let text = fs::read_to_string(instance.dir.join(file)).unwrap();
        assert!(!text.contains("hunter2"), "{file}");
    }
    assert_eq!(fs::read_dir(instance.dir.join("b")).unwrap().count(), 0, "the scratch space is private");
    let environment = fs::read(format!("/proc/{}/environ", instance.shim.id())).unwrap_or_default();
    assert!(!String::from_utf8_lossy(&environment).contains("hunter2"));
    instance.ask(&Request::Kill {});
    instance.exit();
}

fn a_log_link_to_stdout_works_for_every_user(bench: &Bench) {
    let script = "ln -s /dev/stdout /tmp/access.log; echo hello >> /tmp/access.log; echo oh > /dev/stderr";
    let (log, exit) = bench.output_with(script, |spec| spec.process.user = "app".into());
    assert_eq!(exit.code, Some(0), "{log}");
    assert!(log.contains("hello\n") && log.contains("oh\n"), "{log}");
}

fn many_layers_are_stacked(bench: &Bench) {
    let mut layers = Vec::new();
    for number in 0..126 {
        let name = format!(
            "a-layer-with-quite-a-long-name-as-digests-are-0123456789abcdef0123456789abcdef-{number}"
        );
        let layer = bench.folder.path().join("layers").join(name);
        fs::create_dir_all(layer.join("from")).unwrap();
        fs::write(layer.join(format!("from/{number}")), "").unwrap();
        fs::write(layer.join("from/top"), number.to_string()).unwrap();
        layers.push(layer);
    }
    layers.push(bench.layer.clone());
    let script = "ls /from | wc -l; cat /from/top; echo x > /from/top; cat /from/top";
    let (log, _) = bench.output_with(script, |spec| spec.layers = layers);
    assert_eq!(log, "127\n0x\n");
}

fn a_stop_during_the_start_takes_effect(bench: &Bench) {
    let mut instance = bench.start("while :; do sleep 0.05; done");
    instance.ask(&Request::Stop { signal: Some(9), grace_millis: 5_000 });
    assert_eq!(instance.exit().signal, Some(9));
}

fn a_folder_with_a_long_name_is_no_obstacle(bench: &Bench) {
    let mut spec = bench.spec(&["true"]);
    let old = spec.writable.parent().unwrap().to_owned();
    let new = bench.folder.path().join("x".repeat(100)).join("y".repeat(100));
    fs::create_dir_all(new.parent().unwrap()).unwrap();
    fs::rename(&old, &new).unwrap();
    spec.writable = new.join("writable");
    spec.log.directory = new.join("log");
    spec.files.clear();
    assert_eq!(bench.start_spec(spec).exit().code, Some(0));
}

/// A runtime that does nothing, for long, also when it is asked to end.
fn a_start_that_hangs_is_given_up_or_stopped(bench: &Bench) {
    let runtime = bench.folder.path().join("slow-runtime");
    fs::write(&runtime, "#!/bin/sh\nsetsid sleep 1000 &\nsleep 1000\n").unwrap();
    fs::set_permissions(&runtime, fs::Permissions::from_mode(0o755)).unwrap();
    let slow = |seconds: u32| {
        let mut spec = bench.spec(&["true"]);
        spec.runtime = Some(runtime.clone());
        spec.start_seconds = seconds;
        bench.start_spec(spec)
    };
    let exit = slow(1).exit();
    assert_eq!(exit.start_error.unwrap(), "the container did not start within 1 seconds");
    let mut instance = slow(1000);
    instance.ask(&Request::Stop { signal: None, grace_millis: 50 });
    assert_eq!(instance.exit().signal, Some(9));
}
