//! The manifest, index and configuration readers; the body is shared with the test that needs no
//! nightly compiler.
#![no_main]

#[path = "../bodies/manifest.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|input: &[u8]| body::run(input));
