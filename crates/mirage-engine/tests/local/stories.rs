//! What only the local engine can be asked.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use mirage_core::port::InstanceEngine;
use mirage_core::{
    ExecCommand, ExecEnding, InstanceId, InstanceReport, InstanceSpec, InstanceState, LogQuery,
};
use mirage_engine::Level;
use mirage_engine::cgroup::Hierarchies;
use mirage_engine::conformance::{self, Bench, Outcome};
use mirage_engine::shim::state;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::LocalStory;
use crate::bench::{LocalBench, NODE, output};

const GRACE: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const STORIES: &[LocalStory] = &[
    ("names_and_addresses_are_in_the_container", |bench| Box::pin(names_and_addresses(bench))),
    ("a_killed_shim_takes_its_container_along", |bench| Box::pin(a_killed_shim(bench))),
    ("a_shim_killed_while_it_starts_a_container_is_noticed", |bench| Box::pin(a_shim_killed_at_work(bench))),
    ("a_shim_killed_while_nobody_looks_is_noticed", |bench| Box::pin(a_shim_killed_unseen(bench))),
    ("a_command_is_run_right_after_control_was_killed_during_one", |bench| {
        Box::pin(a_command_after_a_killed_one(bench))
    }),
    ("secrets_do_not_stay_on_disk", |bench| Box::pin(secrets_do_not_stay(bench))),
    ("what_never_got_whole_is_cleared_away", |bench| Box::pin(what_never_got_whole(bench))),
    ("a_reboot_is_noticed", |bench| Box::pin(a_reboot_is_noticed(bench))),
    ("this_machine_is_found_fit", |bench| Box::pin(this_machine_is_found_fit(bench))),
    ("measured_one_hundred_and_forty_starts", |bench| Box::pin(one_hundred_and_forty_starts(bench))),
];

async fn names_and_addresses(bench: &LocalBench) -> Outcome {
    let spec = shell(bench, "hostname; cat /etc/hostname /etc/hosts /etc/resolv.conf; hostname -i");
    let report = run(bench, &spec).await;
    let address = report.address.unwrap();
    let host = format!("web-{}", spec.id.short());
    let resolver = bench.local().resolver(spec.network);
    let expected = format!(
        "{host}\n{host}\n127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n{address} {host}\n\
         nameserver {resolver}\noptions ndots:0\n{address}"
    );
    let lines = bench.local().logs().read(spec.service, &LogQuery::default()).await.unwrap();
    let text = lines.iter().map(|line| line.text.trim_end()).collect::<Vec<_>>().join("\n");
    bench.local().stop(spec.id, GRACE).await.unwrap();
    equal(&text, &expected)
}

async fn a_killed_shim(bench: &LocalBench) -> Outcome {
    let spec = shell(bench, "exec sleep 1000");
    let pid = bench.local().start(&spec).await.unwrap().pid.unwrap();
    kill_shim(bench, &spec);
    let report = ended(bench, &spec).await;
    let InstanceState::Exited(exit) = report.state else { return Err(format!("{report:?}")) };
    equal(exit.to_string().as_str(), "vanished")?;
    gone(pid)?;
    bench.local().stop(spec.id, GRACE).await.unwrap();
    nothing_of(bench, &spec)
}

/// What it has forked by then has its sockets too, and does not end by itself where it is in no state to.
async fn a_shim_killed_at_work(bench: &LocalBench) -> Outcome {
    let mut caught = false;
    for _ in 0..20 {
        let spec = shell(bench, "exec sleep 1000");
        let (engine, wanted) = (bench.local(), spec.clone());
        let start = tokio::spawn(async move { engine.start(&wanted).await });
        let forked = what_a_shim_forked(bench, &spec);
        kill(forked, Signal::SIGSTOP).unwrap();
        caught = is_ours(forked);
        if caught {
            kill_shim(bench, &spec);
        } else {
            // It was the container's program already, and what holds it is of no use.
            kill(forked, Signal::SIGKILL).unwrap();
        }
        let started = tokio::time::timeout(PATIENCE, start).await;
        let report = started.map_err(|_| "it is not noticed")?.unwrap();
        bench.local().stop(spec.id, GRACE).await.unwrap();
        nothing_of(bench, &spec)?;
        if caught {
            let InstanceState::Exited(exit) = report.map_err(|error| format!("{error:?}"))?.state else {
                return Err("it runs without a shim".into());
            };
            equal(exit.to_string().as_str(), "vanished")?;
            gone(forked.as_raw().cast_unsigned())?;
            break;
        }
    }
    equal(&caught, &true)
}

/// The first process in the instance's control group besides the launcher, which dies with its shim.
fn what_a_shim_forked(bench: &LocalBench, spec: &InstanceSpec) -> Pid {
    let folder = bench.run().join("instances").join(spec.id.to_string());
    let group = Hierarchies::detect().unwrap().group(&format!("/mirage-{NODE}/{}", spec.id)).unwrap();
    let since = Instant::now();
    loop {
        assert!(since.elapsed() < PATIENCE, "nothing was forked");
        let Some(path) = group.paths().into_iter().find(|path| path.exists()) else { continue };
        let processes = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
        let shim = state::read(&folder).unwrap().shim.pid;
        let children = fs::read_to_string(format!("/proc/{shim}/task/{shim}/children")).unwrap_or_default();
        let launcher = children.split_ascii_whitespace().next().unwrap_or_default();
        if let Some(forked) = processes.lines().find(|pid| *pid != launcher) {
            return Pid::from_raw(forked.parse().unwrap());
        }
    }
}

/// Whether a process executes this program, as a container's does until it becomes the container's.
fn is_ours(pid: Pid) -> bool {
    let identity = |path: &str| fs::metadata(path).map(|found| (found.dev(), found.ino()));
    matches!((identity(&format!("/proc/{pid}/exe")), identity("/proc/self/exe")), (Ok(a), Ok(b)) if a == b)
}

async fn a_shim_killed_unseen(bench: &LocalBench) -> Outcome {
    let spec = shell(bench, "exec sleep 1000");
    let pid = bench.local().start(&spec).await.unwrap().pid.unwrap();
    bench.restart_after(|| kill_shim(bench, &spec)).await;
    let report = ended(bench, &spec).await;
    equal(&(report.service, report.deployment), &(spec.service, spec.deployment))?;
    gone(pid)?;
    bench.local().stop(spec.id, GRACE).await.unwrap();
    nothing_of(bench, &spec)
}

async fn a_command_after_a_killed_one(bench: &LocalBench) -> Outcome {
    let spec = shell(bench, "exec sleep 1000");
    let pid = bench.local().start(&spec).await.unwrap().pid.unwrap();
    let command = |script: &str| ExecCommand {
        arguments: ["/bin/sh", "-c", script].map(str::to_owned).into(),
        variables: vec![("PATH".into(), "/bin".into())],
        timeout: PATIENCE,
    };
    for round in 0..10 {
        let long = command(&format!("(setsid sleep 1000 &); (sleep 1000 &); touch /tmp/{round}; sleep 1000"));
        let (engine, id) = (bench.local(), spec.id);
        let running = tokio::spawn(async move { engine.exec(id, &long).await });
        while !fs::exists(format!("/proc/{pid}/root/tmp/{round}")).unwrap() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        running.abort();
        running.await.unwrap_err();
        bench.restart().await;
        let next =
            bench.local().exec(spec.id, &command("echo well")).await.map_err(|error| format!("{error:?}"))?;
        equal(&(next.ending, next.output.as_str()), &(ExecEnding::Code(0), "well\n"))?;
    }
    bench.local().stop(spec.id, GRACE).await.unwrap();
    nothing_of(bench, &spec)
}

async fn secrets_do_not_stay(bench: &LocalBench) -> Outcome {
    let mut spec = shell(bench, "exec sleep 1000");
    spec.variables.push(("SECRET".into(), "hunter2".into()));
    bench.local().start(&spec).await.unwrap();
    let found =
        output("grep", &["-rl", "hunter2", bench.run().to_str().unwrap(), bench.data().to_str().unwrap()]);
    bench.local().stop(spec.id, GRACE).await.unwrap();
    equal(found.as_str(), "")
}

async fn what_never_got_whole(bench: &LocalBench) -> Outcome {
    let id = InstanceId::from_random(bench.random());
    let folder = bench.run().join("instances").join(format!(".{id}"));
    let damaged = bench.run().join("instances").join(InstanceId::from_random(bench.random()).to_string());
    let written = bench.data().join("writable").join(id.to_string());
    bench
        .restart_after(|| {
            fs::create_dir_all(&folder).unwrap();
            fs::create_dir_all(&damaged).unwrap();
            fs::write(damaged.join("spec.json"), "{").unwrap();
            fs::create_dir_all(written.join("upper")).unwrap();
            bench_lease(bench, id);
        })
        .await;
    equal(&[folder.exists(), damaged.exists(), written.exists()], &[false; 3])?;
    equal(&bench.local().list().await.unwrap(), &Vec::new())
}

async fn a_reboot_is_noticed(bench: &LocalBench) -> Outcome {
    let spec = shell(bench, "exec sleep 1000");
    bench.local().start(&spec).await.unwrap();
    let folder = bench.run().join("instances").join(spec.id.to_string());
    // Another boot's state must not be believed, even where a number in it is a living process.
    let mut old = state::read(&folder).unwrap();
    kill_shim(bench, &spec);
    ended(bench, &spec).await;
    old.boot = "another".into();
    old.shim = state::ProcessMark::of(std::process::id().cast_signed()).unwrap();
    bench.restart_after(|| state::write(&folder, &old).unwrap()).await;
    ended(bench, &spec).await;
    bench.local().stop(spec.id, GRACE).await.unwrap();
    nothing_of(bench, &spec)
}

async fn this_machine_is_found_fit(bench: &LocalBench) -> Outcome {
    let bad: Vec<_> =
        bench.local().doctor().into_iter().filter(|finding| finding.level == Level::Bad).collect();
    equal(&bad, &Vec::new())
}

/// More than the 128 inotify instances that a user has. No assertion on time: the figures are for whoever
/// reads them.
async fn one_hundred_and_forty_starts(bench: &LocalBench) -> Outcome {
    let engine = bench.local();
    let mut alone = Vec::new();
    for _ in 0..15 {
        let spec = shell(bench, "exec sleep 1000");
        tokio::time::sleep(Duration::from_millis(60)).await;
        let since = Instant::now();
        engine.start(&spec).await.unwrap();
        alone.push(since.elapsed());
        engine.stop(spec.id, Duration::ZERO).await.unwrap();
    }
    alone.sort();
    println!("    one start: median {:?}, fastest {:?}, slowest {:?}", alone[7], alone[0], alone[14]);
    let specs: Vec<_> = (0..140).map(|_| shell(bench, "exec sleep 1000")).collect();
    let since = Instant::now();
    let started = futures_util::future::join_all(specs.iter().map(|spec| engine.start(spec))).await;
    println!("    140 starts at once: {:?}", since.elapsed());
    assert!(started.iter().all(Result::is_ok), "{started:?}");
    println!("    private memory of a shim, smallest and largest: {:?} KiB", private_memory(bench));
    let since = Instant::now();
    let stops = specs.iter().map(|spec| engine.stop(spec.id, Duration::ZERO));
    let stopped = futures_util::future::join_all(stops).await;
    println!("    140 stops at once: {:?}", since.elapsed());
    assert!(stopped.iter().all(Result::is_ok), "{stopped:?}");
    Ok(())
}

fn private_memory(bench: &LocalBench) -> Option<(u64, u64)> {
    let folders = fs::read_dir(bench.run().join("instances")).unwrap();
    let kib = folders.filter_map(|folder| {
        let shim = state::read(&folder.ok()?.path()).ok()?.shim;
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", shim.pid)).ok()?;
        let lines = text.lines().filter(|line| line.starts_with("Private_"));
        Some(lines.filter_map(|line| line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()).sum())
    });
    let kib: Vec<u64> = kib.collect();
    Some((*kib.iter().min()?, *kib.iter().max()?))
}

/// An instance that runs this script, beside those of the stories that every engine tells.
pub(crate) fn shell(bench: &LocalBench, script: &str) -> InstanceSpec {
    InstanceSpec { network: 2, ..conformance::shell(bench, script) }
}

pub(crate) async fn run(bench: &LocalBench, spec: &InstanceSpec) -> InstanceReport {
    bench.local().start(spec).await.unwrap();
    ended(bench, spec).await
}

async fn ended(bench: &LocalBench, spec: &InstanceSpec) -> InstanceReport {
    let engine = bench.local();
    let waiting = async {
        loop {
            let all = engine.list().await.unwrap();
            let found = all.into_iter().find(|report| report.id == spec.id).unwrap();
            if matches!(found.state, InstanceState::Exited(_)) {
                return found;
            }
            engine.changed().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap()
}

fn kill_shim(bench: &LocalBench, spec: &InstanceSpec) {
    let folder = bench.run().join("instances").join(spec.id.to_string());
    kill(Pid::from_raw(state::read(&folder).unwrap().shim.pid), Signal::SIGKILL).unwrap();
}

/// A lease and a pin that nobody owns.
fn bench_lease(bench: &LocalBench, id: InstanceId) {
    let lease = "{\"network\":2,\"address\":\"10.210.2.9\",\"slot\":4095}";
    fs::write(bench.run().join("leases").join(id.to_string()), lease).unwrap();
    fs::write(bench.run().join("netns/0fff"), "").unwrap();
}

/// Whether a process has ended; whoever inherited it may not have collected it yet.
fn gone(pid: u32) -> Outcome {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let runs = stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z"));
    if runs { Err(format!("process {pid} still runs")) } else { Ok(()) }
}

fn nothing_of(bench: &LocalBench, spec: &InstanceSpec) -> Outcome {
    let id = spec.id.to_string();
    let folders = [bench.run().join("instances").join(&id), bench.data().join("writable").join(&id)];
    let groups = output("find", &["/sys/fs/cgroup", "-name", &id]);
    equal(&(folders.map(|folder| folder.exists()), groups.as_str()), &([false; 2], ""))
}

pub(crate) fn equal<T: PartialEq + std::fmt::Debug + ?Sized>(found: &T, expected: &T) -> Outcome {
    if found == expected { Ok(()) } else { Err(format!("{found:?} instead of {expected:?}")) }
}
