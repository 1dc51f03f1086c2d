//! The local engine, whole: this program executes itself as `shim <folder>`, as `mirage` does, and
//! runs in a network and mount namespace of its own, so that it is the only platform on its machine.
//! Needs root and `/bin/busybox` linked statically.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test program without the usual frame"
)]

mod bench;
mod stories;
mod volumes;

use std::path::Path;
use std::process::ExitCode;

use bench::{LocalBench, SystemClock};
use futures_util::future::BoxFuture;
use mirage_engine::conformance::{Outcome, STORIES};
use nix::sched::{CloneFlags, unshare};

/// A story that only the local engine can tell.
type LocalStory = (&'static str, fn(&LocalBench) -> BoxFuture<'_, Outcome>);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [verb, folder] = arguments.as_slice()
        && verb == "shim"
    {
        let code = mirage_engine::shim::run(Path::new(folder), &SystemClock);
        return ExitCode::from(u8::try_from(code).unwrap_or(1));
    }
    if arguments == ["runner-of-commands"] {
        return ExitCode::from(u8::try_from(mirage_engine::exec::run()).unwrap_or(1));
    }
    let filters: Vec<String> = arguments.into_iter().filter(|argument| !argument.starts_with('-')).collect();
    if let Some(missing) = bench::missing() {
        eprintln!("skipped: all of tests/local: needs {missing}");
        return ExitCode::SUCCESS;
    }
    // Before there is a second thread, so that all of them are on the same machine.
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
    bench::make_machine();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(&filters))
}

async fn run(filters: &[String]) -> ExitCode {
    let bench = LocalBench::new().await;
    let wanted =
        |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()));
    let mut failed = 0;
    let mut tell = |name: &str, outcome: Outcome| {
        println!("test {name} ... {}", if outcome.is_ok() { "ok" } else { "FAILED" });
        if let Err(what) = outcome {
            println!("    {what}");
            failed += 1;
        }
    };
    for (name, story) in STORIES.iter().filter(|(name, _)| wanted(name)) {
        tell(name, story(&bench).await);
    }
    for (name, story) in stories::STORIES.iter().chain(volumes::STORIES).filter(|(name, _)| wanted(name)) {
        tell(name, story(&bench).await);
    }
    let kept = volumes::forgotten_by_all(&bench);
    tell("in_the_end_nothing_is_left", bench.teardown().await);
    tell("but_the_volumes", volumes::is_kept(&kept));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
