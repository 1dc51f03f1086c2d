//! A walk over a live platform in which whatever can break does.

use std::path::Path;

use xtask::bed::may_run_as_root;
use xtask::chaos::{asked_for, walk};

use crate::stage::BINARY;

#[test]
fn whatever_is_killed_broken_or_full_the_platform_comes_right_by_itself_and_loses_nothing() {
    if !may_run_as_root("whatever is killed, broken or full, the platform comes right by itself") {
        return;
    }
    let (seed, time) = asked_for();
    let outcome = walk(Path::new(BINARY), seed, time).unwrap();
    println!("seed {seed}: {} faults, {} good answers", outcome.faults(), outcome.good);
    let repeat = format!("`cargo xtask chaos --seed {seed}` repeats it");
    assert!(outcome.violations.is_empty(), "{repeat}:\n{}", outcome.violations.join("\n"));
    assert!(outcome.faults() > 0 && outcome.good > 0, "{outcome:?}");
}
