//! What a shim costs. Printed, not judged: the machine that runs this is not known.

use std::fs;
use std::time::Instant;

use mirage_engine::shim::Request;

use crate::Test;
use crate::fixture::Bench;

pub(crate) const TESTS: &[Test] = &[("what_a_shim_costs_is_printed", what_a_shim_costs_is_printed)];

fn what_a_shim_costs_is_printed(bench: &Bench) {
    let mut times = Vec::new();
    let mut memory = String::new();
    for _ in 0..11 {
        let spec = bench.spec(&["sleep", "1000"]);
        let since = Instant::now();
        let mut instance = bench.start_spec(spec);
        instance.running();
        times.push(since.elapsed().as_micros());
        alone(instance.shim.id());
        memory = private_memory(instance.shim.id());
        instance.ask(&Request::Kill {});
        instance.exit();
    }
    times.sort_unstable();
    println!("start to running: median {} us, fastest {} us; {memory}", times[times.len() / 2], times[0]);
}

/// Waits until the launcher is gone, with which the shim shares its memory.
fn alone(shim: u32) {
    let children = format!("/proc/{shim}/task/{shim}/children");
    while fs::read_to_string(&children).is_ok_and(|text| text.split_whitespace().count() > 1) {
        std::thread::yield_now();
    }
}

fn private_memory(pid: u32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("Private_") || line.starts_with("Rss"));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}
