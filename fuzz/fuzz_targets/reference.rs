//! The reference parser; the body is shared with the test that needs no nightly compiler.
#![no_main]

#[path = "../bodies/reference.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|input: &[u8]| body::run(input));
