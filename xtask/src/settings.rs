//! The few environment variables that change what `xtask` does.

/// Whether this runs for the project's CI, where a skipped test is a failure.
pub(crate) fn in_ci() -> bool {
    variable("CI").is_some_and(|value| value == "true" || value == "1")
}

/// Seconds for each fuzz target, where somebody asked for a number.
pub(crate) fn fuzz_seconds() -> Option<u64> {
    variable("MIRAGE_FUZZ_SECONDS").and_then(|value| value.parse().ok())
}

/// Seconds for the walk of chaos, where somebody asked for a number.
pub(crate) fn chaos_seconds() -> Option<u64> {
    variable("MIRAGE_CHAOS_SECONDS").and_then(|value| value.parse().ok())
}

/// The seed of the walk of chaos, where somebody chose one.
pub(crate) fn chaos_seed() -> Option<u64> {
    variable("MIRAGE_CHAOS_SEED").and_then(|value| value.parse().ok())
}

/// Where programs are looked for.
pub(crate) fn path() -> String {
    variable("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".to_owned())
}

/// Names of the variables that change what Mirage does.
pub(crate) fn mirage_variables() -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| name.starts_with("MIRAGE_")).collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "xtask is a program of its own; this is its one door to the environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
