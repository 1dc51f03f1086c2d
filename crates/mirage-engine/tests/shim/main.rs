//! Real containers through the real shim: this program executes itself as `shim <folder>`, as
//! `mirage` does. Needs root, `/bin/busybox` linked statically, and nothing else; `runc` is used
//! where it is installed.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the whole program is a test, and prints what a test harness prints"
)]

mod confinement;
mod exec;
mod fixture;
mod life;
mod measure;
mod start;
mod volumes;

use std::path::Path;
use std::process::ExitCode;

use fixture::{Bench, SystemClock};

/// A test: what it claims, and how it is shown.
type Test = (&'static str, fn(&Bench));

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [verb, dir] = arguments.as_slice()
        && verb == "shim"
    {
        let code = mirage_engine::shim::run(Path::new(dir), &SystemClock);
        return ExitCode::from(u8::try_from(code).unwrap_or(1));
    }
    if arguments == ["runner-of-commands"] {
        return ExitCode::from(u8::try_from(mirage_engine::exec::run()).unwrap_or(1));
    }
    if let Some(missing) = fixture::missing() {
        eprintln!("skipped: all of tests/shim: needs {missing}");
        return ExitCode::SUCCESS;
    }
    let mut failed = run(&arguments, "built in", None);
    match fixture::runc() {
        Some(runc) => failed += run(&arguments, "runc", Some(runc)),
        None => eprintln!("skipped: tests/shim with runc: needs runc"),
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(arguments: &[String], runtime: &str, program: Option<&'static str>) -> usize {
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let only_embedded = |name: &str| program.is_some() && name.starts_with("embedded_");
    let tests: Vec<Test> =
        [life::TESTS, start::TESTS, confinement::TESTS, exec::TESTS, volumes::TESTS, measure::TESTS]
            .into_iter()
            .flatten()
            .copied()
            .filter(|(name, _)| {
                filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
            })
            .filter(|(name, _)| !only_embedded(name))
            .collect();
    if arguments.iter().any(|argument| argument == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return 0;
    }
    let bench = Bench::new(program);
    let mut failed = 0;
    for (name, test) in tests {
        let passed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(&bench))).is_ok();
        println!("test {name} ({runtime}) ... {}", if passed { "ok" } else { "FAILED" });
        failed += usize::from(!passed);
    }
    failed
}
