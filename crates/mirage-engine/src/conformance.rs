//! What every engine that runs instances must do, as short stories.
//!
//! A [`Bench`] brings an engine and an image with a shell; whoever tests that engine plays every one
//! of [`STORIES`] on it, in any order, also at the same time, and reports what they answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use mirage_core::port::InstanceEngine;
use mirage_core::{
    Code, DeploymentId, EnvironmentId, ExecCommand, ExecEnding, ExecOutcome, Exit, InstanceId,
    InstanceReport, InstanceSpec, InstanceState, LogLine, LogPolicy, LogQuery, LogStream, Name,
    ResolvedImage, Resources, ServiceId,
};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// A grace period that nobody is meant to reach.
const LONG: Duration = Duration::from_secs(30);
/// A grace period that is meant to pass.
const SHORT: Duration = Duration::from_millis(200);

/// An engine to try, and what it needs for that.
#[async_trait]
pub trait Bench: Send + Sync {
    /// The engine of the control process that lives now.
    fn engine(&self) -> Arc<dyn InstanceEngine>;

    /// Lets the control process die without a word and another one take its place. Only called while
    /// [`Self::restarts`] says that it may be.
    async fn restart(&self);

    /// Whether [`Self::restart`] is possible while other stories are being played.
    fn restarts(&self) -> bool;

    /// A present image with busybox as `/bin/sh` and on the `PATH`.
    fn image(&self) -> ResolvedImage;

    /// Any name for a service.
    fn name(&self) -> Name;

    /// Fresh bytes for an identity.
    fn random(&self) -> [u8; 16];
}

/// What is wrong, in a sentence.
pub type Outcome = Result<(), String>;

/// A story: its name, and how it is played.
pub type Story = (&'static str, fn(&dyn Bench) -> BoxFuture<'_, Outcome>);

/// Everything an engine must be able to do.
pub const STORIES: &[Story] = &[
    ("an_exit_code_is_reported", |bench| Box::pin(an_exit_code_is_reported(bench))),
    ("a_missing_program_is_an_exit_that_says_so", |bench| Box::pin(a_missing_program_is_an_exit(bench))),
    ("starting_twice_starts_once", |bench| Box::pin(starting_twice_starts_once(bench))),
    ("a_stop_leaves_time_to_finish", |bench| Box::pin(a_stop_leaves_time_to_finish(bench))),
    ("a_stop_ends_what_will_not_end", |bench| Box::pin(a_stop_ends_what_will_not_end(bench))),
    ("a_stop_of_a_stranger_is_done", |bench| Box::pin(a_stop_of_a_stranger_is_done(bench))),
    ("a_stop_reaches_an_instance_on_its_way_up", |bench| Box::pin(a_stop_reaches_one_on_its_way_up(bench))),
    ("what_is_written_is_in_the_log", |bench| Box::pin(what_is_written_is_in_the_log(bench))),
    ("a_log_can_be_followed", |bench| Box::pin(a_log_can_be_followed(bench))),
    ("out_of_memory_is_told_apart", |bench| Box::pin(out_of_memory_is_told_apart(bench))),
    ("a_listener_is_found_and_answers", |bench| Box::pin(a_listener_is_found_and_answers(bench))),
    ("a_command_is_run_beside_the_process", |bench| Box::pin(a_command_is_run(bench))),
    ("what_an_instance_uses_is_counted", |bench| Box::pin(what_it_uses_is_counted(bench))),
    ("many_start_at_once", |bench| Box::pin(many_start_at_once(bench))),
    ("a_new_control_process_takes_over", |bench| Box::pin(a_new_control_process_takes_over(bench))),
    ("an_end_while_nobody_looks_is_not_lost", |bench| Box::pin(an_end_while_nobody_looks(bench))),
];

async fn an_exit_code_is_reported(bench: &dyn Bench) -> Outcome {
    let spec = shell(bench, "exit 7");
    start(bench, &spec).await?;
    let exit = exit(bench, spec.id).await?;
    check(exit.code == Some(7) && !exit.oom && exit.start_error.is_none(), || format!("{exit:?}"))?;
    stop(bench, spec.id, LONG).await
}

async fn a_missing_program_is_an_exit(bench: &dyn Bench) -> Outcome {
    let spec = InstanceSpec { arguments: vec!["no-such-program".into()], ..shell(bench, "") };
    start(bench, &spec).await?;
    let exit = exit(bench, spec.id).await?;
    let why = exit.start_error.unwrap_or_default();
    check(why.contains("`no-such-program`"), || format!("the reason does not name the program: {why:?}"))?;
    stop(bench, spec.id, LONG).await
}

async fn starting_twice_starts_once(bench: &dyn Bench) -> Outcome {
    let spec = shell(bench, "exec sleep 1000");
    let engine = bench.engine();
    let (one, two) = tokio::join!(engine.start(&spec), engine.start(&spec));
    let (one, two) = (one.map_err(said)?, two.map_err(said)?);
    let three = start(bench, &spec).await?;
    check(one.pid.is_some() && one.pid == two.pid && two == three, || format!("{one:?} {two:?} {three:?}"))?;
    stop(bench, spec.id, SHORT).await
}

async fn a_stop_leaves_time_to_finish(bench: &dyn Bench) -> Outcome {
    let spec = shell(bench, "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done");
    start(bench, &spec).await?;
    line(bench, &spec, "ready").await?;
    stop(bench, spec.id, LONG).await?;
    line(bench, &spec, "bye").await.map(drop)
}

async fn a_stop_ends_what_will_not_end(bench: &dyn Bench) -> Outcome {
    let spec = shell(bench, "trap '' TERM; echo ready; while :; do sleep 0.05; done");
    let report = start(bench, &spec).await?;
    line(bench, &spec, "ready").await?;
    stop(bench, spec.id, SHORT).await?;
    let process = format!("/proc/{}", report.pid.unwrap_or_default());
    check(!std::path::Path::new(&process).exists(), || "its process still runs".into())
}

async fn a_stop_of_a_stranger_is_done(bench: &dyn Bench) -> Outcome {
    stop(bench, InstanceId::from_random(bench.random()), LONG).await
}

async fn a_stop_reaches_one_on_its_way_up(bench: &dyn Bench) -> Outcome {
    let spec = shell(bench, "exec sleep 1000");
    let engine = bench.engine();
    // Whether the start still succeeds is a matter of luck; that nothing is left is not.
    let (_, stopped) = tokio::join!(engine.start(&spec), engine.stop(spec.id, SHORT));
    stopped.map_err(said)?;
    stop(bench, spec.id, SHORT).await
}

async fn what_is_written_is_in_the_log(bench: &dyn Bench) -> Outcome {
    let spec = shell(bench, "echo one; echo two >&2; printf three");
    start(bench, &spec).await?;
    exit(bench, spec.id).await?;
    let query = LogQuery { deployment: Some(spec.deployment), ..LogQuery::default() };
    let lines = bench.engine().logs().read(spec.service, &query).await.map_err(said)?;
    let mut lines: Vec<_> =
        lines.iter().map(|line| (line.stream == LogStream::Stderr, line.text.as_str())).collect();
    // Two streams have no order between them.
    lines.sort_unstable();
    check(lines == [(false, "one"), (false, "three"), (true, "two")], || format!("{lines:?}"))?;
    stop(bench, spec.id, LONG).await?;
    line(bench, &spec, "three").await.map(drop)
}

async fn a_log_can_be_followed(bench: &dyn Bench) -> Outcome {
    let spec = shell(bench, "for n in 1 2 3 4 5; do echo line $n; sleep 0.05; done; exec sleep 1000");
    let engine = bench.engine();
    let follow = engine.logs().follow(spec.service, LogQuery::default()).await.map_err(said)?;
    start(bench, &spec).await?;
    let lines: Vec<_> =
        timeout(PATIENCE, follow.take(5).collect()).await.map_err(|_| "the lines do not come")?;
    let texts: Result<Vec<String>, String> =
        lines.into_iter().map(|line| Ok(line.map_err(said)?.text)).collect();
    let expected: Vec<String> = (1..=5).map(|n| format!("line {n}")).collect();
    check(texts.as_ref() == Ok(&expected), || format!("{texts:?}"))?;
    stop(bench, spec.id, SHORT).await
}

async fn out_of_memory_is_told_apart(bench: &dyn Bench) -> Outcome {
    let resources = Resources { memory_bytes: Some(32 << 20), ..Resources::default() };
    let spec = InstanceSpec { resources, ..shell(bench, "exec tail -c 200m /dev/zero") };
    start(bench, &spec).await?;
    let exit = exit(bench, spec.id).await?;
    check(exit.oom, || format!("{exit:?}"))?;
    stop(bench, spec.id, LONG).await
}

async fn a_listener_is_found_and_answers(bench: &dyn Bench) -> Outcome {
    let spec = shell(bench, "while :; do echo hello | nc -l -p 8080; done");
    let report = start(bench, &spec).await?;
    let address = report.address.ok_or("it has no address")?;
    let engine = bench.engine();
    let found = async {
        loop {
            let sockets = engine.listening(spec.id).await.map_err(said)?;
            if sockets.iter().any(|socket| socket.port() == 8080) {
                return Ok::<_, String>(());
            }
            // The kernel tells nobody when a process begins to listen.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, found).await.map_err(|_| "its socket is not found")??;
    let answer = timeout(PATIENCE, ask(address, 8080)).await.map_err(|_| "it does not answer")?;
    check(answer.as_deref() == Ok("hello\n"), || format!("{answer:?}"))?;
    stop(bench, spec.id, SHORT).await
}

async fn a_command_is_run(bench: &dyn Bench) -> Outcome {
    let spec = shell(bench, "exec sleep 1000");
    start(bench, &spec).await?;
    let engine = bench.engine();
    let command = |script: &str, timeout| ExecCommand {
        arguments: ["/bin/sh", "-c", script].map(str::to_owned).into(),
        variables: spec.variables.clone(),
        timeout,
    };
    // Each would be disturbed by the other.
    let alone = command("mkdir /tmp/alone && sleep 0.1 && rmdir /tmp/alone && echo alone", PATIENCE);
    let (one, two) = tokio::join!(engine.exec(spec.id, &alone), engine.exec(spec.id, &alone));
    let well = ExecOutcome { ending: ExecEnding::Code(0), output: "alone\n".into() };
    check(one.as_ref().ok() == Some(&well) && two.as_ref().ok() == Some(&well), || {
        format!("{one:?} {two:?}")
    })?;
    let late = engine.exec(spec.id, &command("echo begun; sleep 1000", SHORT)).await.map_err(said)?;
    let expected = ExecOutcome { ending: ExecEnding::TimedOut, output: "begun\n".into() };
    check(late == expected, || format!("{late:?}"))?;
    let missing = ExecCommand { arguments: vec!["no-such-program".into()], ..alone.clone() };
    let refused = engine.exec(spec.id, &missing).await.err().map(|error| error.code());
    check(refused == Some(Code::StartFailed), || format!("{refused:?}"))?;
    stop(bench, spec.id, SHORT).await?;
    let gone = engine.exec(spec.id, &alone).await.err().map(|error| error.code());
    check(gone == Some(Code::Conflict), || format!("{gone:?}"))
}

async fn what_it_uses_is_counted(bench: &dyn Bench) -> Outcome {
    let script = "dd if=/dev/zero bs=1000000 count=20 2>/dev/null | nc -l -p 8081 >/dev/null & \
                  x=$(head -c 9000000 /dev/zero | tr '\\0' a); echo big ${#x}; n=0; while :; do n=$((n+1)); done";
    let spec = shell(bench, script);
    let report = start(bench, &spec).await?;
    let address = report.address.ok_or("it has no address")?;
    line(bench, &spec, "big 9000000").await?;
    let engine = bench.engine();
    let sent = async {
        // The kernel tells nobody when a process begins to listen.
        let mut stream = loop {
            match TcpStream::connect(SocketAddr::new(address, 8081)).await {
                Ok(stream) => break stream,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.map_err(|error| error.to_string())
    };
    let sent = timeout(PATIENCE, sent).await.map_err(|_| "it does not send")??;
    let stranger = InstanceId::from_random(bench.random());
    let working = async {
        loop {
            let used = engine.usage(&[spec.id, stranger]).await.map_err(said)?;
            check(used.len() == 1 && used[0].instance == spec.id, || format!("{used:?}"))?;
            if used[0].cpu_micros > 100_000 {
                return Ok::<_, String>(used[0]);
            }
        }
    };
    let used = timeout(PATIENCE, working).await.map_err(|_| "no processor time is counted")??;
    check(used.memory_bytes > 9_000_000, || format!("memory is missing: {used:?}"))?;
    check(sent == 20_000_000 && used.sent_bytes > sent, || format!("{sent} bytes came: {used:?}"))?;
    check((1..sent).contains(&used.received_bytes), || format!("the directions are mixed up: {used:?}"))?;
    stop(bench, spec.id, SHORT).await
}

async fn many_start_at_once(bench: &dyn Bench) -> Outcome {
    let specs: Vec<_> = (0..12).map(|_| shell(bench, "exec sleep 1000")).collect();
    let engine = bench.engine();
    let started = futures_util::future::join_all(specs.iter().map(|spec| engine.start(spec))).await;
    let mut addresses = Vec::new();
    for report in started {
        let report = report.map_err(said)?;
        check(matches!(report.state, InstanceState::Running { .. }), || format!("{report:?}"))?;
        addresses.push(report.address);
    }
    addresses.sort_unstable();
    addresses.dedup();
    check(addresses.len() == specs.len(), || format!("addresses are shared: {addresses:?}"))?;
    let stopped = futures_util::future::join_all(specs.iter().map(|spec| stop(bench, spec.id, SHORT))).await;
    stopped.into_iter().collect()
}

async fn a_new_control_process_takes_over(bench: &dyn Bench) -> Outcome {
    if !bench.restarts() {
        return Ok(());
    }
    let spec =
        shell(bench, "trap 'echo bye; exit 3' TERM; n=0; while :; do n=$((n+1)); echo $n; sleep 0.02; done");
    let before = start(bench, &spec).await?;
    line(bench, &spec, "3").await?;
    bench.restart().await;
    let after = wait(bench, spec.id, |report| matches!(report.state, InstanceState::Running { .. })).await?;
    check(before == after, || format!("{before:?} became {after:?}"))?;
    let last = line(bench, &spec, "20").await?;
    stop(bench, spec.id, LONG).await?;
    let query = LogQuery::default();
    let lines = bench.engine().logs().read(spec.service, &query).await.map_err(said)?;
    let numbers: Vec<u32> = lines.iter().filter_map(|line| line.text.parse().ok()).collect();
    check(numbers.iter().copied().eq(1..=numbers.len() as u32), || {
        format!("a hole in the log: {numbers:?}")
    })?;
    check(last.instance == spec.id, || "another instance's line".into())
}

async fn an_end_while_nobody_looks(bench: &dyn Bench) -> Outcome {
    if !bench.restarts() {
        return Ok(());
    }
    let spec = shell(bench, "read line < /tmp/none 2>/dev/null; sleep 0.3; exit 9");
    start(bench, &spec).await?;
    bench.restart().await;
    let exit = exit(bench, spec.id).await?;
    check(exit.code == Some(9), || format!("{exit:?}"))?;
    stop(bench, spec.id, LONG).await
}

/// An instance of a service of its own that runs this script.
pub fn shell(bench: &dyn Bench, script: &str) -> InstanceSpec {
    InstanceSpec {
        id: InstanceId::from_random(bench.random()),
        service: ServiceId::from_random(bench.random()),
        service_name: bench.name(),
        deployment: DeploymentId::from_random(bench.random()),
        environment: EnvironmentId::from_random(bench.random()),
        network: 1,
        image: bench.image(),
        arguments: ["/bin/sh", "-c", script].map(str::to_owned).into(),
        variables: vec![("PATH".into(), "/bin".into())],
        ports: Vec::new(),
        resources: Resources::default(),
        allow_new_privileges: false,
        volumes: Vec::new(),
        log: LogPolicy { max_bytes: 1 << 20, service_bytes: 2 << 20 },
    }
}

async fn start(bench: &dyn Bench, spec: &InstanceSpec) -> Result<InstanceReport, String> {
    bench.engine().start(spec).await.map_err(said)
}

/// Stops an instance, after which it must be forgotten.
async fn stop(bench: &dyn Bench, id: InstanceId, grace: Duration) -> Outcome {
    let engine = bench.engine();
    timeout(PATIENCE, engine.stop(id, grace)).await.map_err(|_| "the stop does not end")?.map_err(said)?;
    let left = engine.list().await.map_err(said)?;
    check(left.iter().all(|report| report.id != id), || "it is still in the list".into())
}

async fn exit(bench: &dyn Bench, id: InstanceId) -> Result<Exit, String> {
    let report = wait(bench, id, |report| matches!(report.state, InstanceState::Exited(_))).await?;
    match report.state {
        InstanceState::Exited(exit) => Ok(exit),
        other => Err(format!("{other:?}")),
    }
}

/// Waits until the instance's report is as it should be.
async fn wait(
    bench: &dyn Bench,
    id: InstanceId,
    right: impl Fn(&InstanceReport) -> bool,
) -> Result<InstanceReport, String> {
    let engine = bench.engine();
    let waiting = async {
        loop {
            let all = engine.list().await.map_err(said)?;
            if let Some(report) = all.into_iter().find(|report| report.id == id).filter(&right) {
                return Ok(report);
            }
            // Another story may have taken the word that was meant for this one.
            let _ = timeout(Duration::from_millis(100), engine.changed()).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| Err("it does not come that far".into()))
}

/// Waits for a line in the log.
async fn line(bench: &dyn Bench, spec: &InstanceSpec, text: &str) -> Result<LogLine, String> {
    let engine = bench.engine();
    let follow = engine.logs().follow(spec.service, LogQuery::default()).await.map_err(said)?;
    let wanted = |line: mirage_core::Result<LogLine>| line.ok().filter(|line| line.text == text);
    let mut wanted = follow.filter_map(|line| std::future::ready(wanted(line)));
    let found = timeout(PATIENCE, wanted.next()).await.ok().flatten();
    found.ok_or_else(|| format!("the line `{text}` does not come"))
}

async fn ask(address: IpAddr, port: u16) -> Result<String, String> {
    let mut stream =
        TcpStream::connect(SocketAddr::new(address, port)).await.map_err(|error| error.to_string())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.map_err(|error| error.to_string())?;
    Ok(answer)
}

fn check(right: bool, what: impl FnOnce() -> String) -> Outcome {
    if right { Ok(()) } else { Err(what()) }
}

fn said(error: mirage_core::Error) -> String {
    format!("{error:?}")
}
