//! The fuzz targets of `fuzz/`, with a mutator that needs no nightly compiler.
//!
//! libFuzzer, which sees what the code does with an input, found what there was to find in hours and
//! left its corpora; here the same bodies run over those corpora and small changes to them, for
//! `MIRAGE_FUZZ_SECONDS` each (a minute in `cargo xtask test`), so that a fault that comes back is seen.

mod mutate;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mutate::{Dice, mutate};

#[path = "../../../../../fuzz/bodies/layer.rs"]
#[expect(
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "the body of a fuzz target, which has to panic"
)]
mod layer;
#[path = "../../../../../fuzz/bodies/manifest.rs"]
#[expect(unreachable_pub, reason = "the body of a fuzz target")]
mod manifest;
#[path = "../../../../../fuzz/bodies/reference.rs"]
#[expect(unreachable_pub, reason = "the body of a fuzz target")]
mod reference;

#[test]
fn a_minute_of_references() {
    run("reference", reference::run);
}

#[test]
fn a_minute_of_manifests_and_indexes() {
    run("manifest", manifest::run);
}

#[test]
fn a_minute_of_layers() {
    run("layer", layer::run);
}

/// Runs a body over its corpus, then over changes to it until the time is up.
fn run(target: &str, body: fn(&[u8])) {
    let corpus = corpus(target);
    assert!(!corpus.is_empty(), "fuzz/corpus/{target} is empty");
    corpus.iter().for_each(|input| attempt(target, body, input));
    let (mut dice, since) = (Dice::new(0x6d69_7261_6765), Instant::now());
    let limit = Duration::from_secs(xtask::bed::fuzz_seconds());
    while since.elapsed() < limit {
        // Looking at the clock each time would cost more than some targets do.
        for _ in 0..64 {
            let mut input = corpus[dice.below(corpus.len())].clone();
            let other = &corpus[dice.below(corpus.len())];
            mutate(&mut input, other, &mut dice);
            attempt(target, body, &input);
        }
    }
}

/// An input that makes the body panic is kept, so that it can be looked at and put into the corpus.
fn attempt(target: &str, body: fn(&[u8]), input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(input))) {
        let kept = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{target}"));
        std::fs::write(&kept, input).unwrap();
        eprintln!("the input is in {}", kept.display());
        resume_unwind(panic);
    }
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut paths: Vec<_> =
        std::fs::read_dir(&folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}
