//! Skipping by name, loudly; where nothing may be missing, a skip is a failure.

use nix::unistd::geteuid;

use crate::settings;

/// Says on stderr that a test did not run, and why.
///
/// # Panics
/// In CI as root, where everything that a test needs can be had.
#[expect(clippy::panic, reason = "fails the test that calls it")]
pub fn skipped(test: &str, why: &str) {
    eprintln!("skipped: {test}: {why}");
    if settings::in_ci() && geteuid().is_root() {
        panic!("{test} was skipped in CI: {why}");
    }
}

/// Seconds that each fuzz target may take: `MIRAGE_FUZZ_SECONDS`, else two.
#[must_use]
pub fn fuzz_seconds() -> u64 {
    settings::fuzz_seconds().unwrap_or(2)
}

/// Whether this is root with what the tests of the whole platform need; says so where it is not.
#[must_use]
pub fn may_run_as_root(test: &str) -> bool {
    if !geteuid().is_root() {
        skipped(test, "needs root");
        return false;
    }
    for program in ["docker-registry", "skopeo", "busybox"] {
        if !super::is_installed(program) {
            skipped(test, &format!("needs `{program}`; `cargo xtask test` installs it"));
            return false;
        }
    }
    true
}
