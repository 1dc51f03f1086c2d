//! What the long-running processes log: one line an event to stderr.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use mirage_cli::config::env;

/// Levels unless somebody says otherwise.
const DEFAULT: &str =
    "info,sqlx=warn,hyper=warn,reqwest=warn,oci_client=warn,libcontainer=error,libcgroups=error";

/// Begins to log to stderr.
pub(crate) fn start() {
    start_with(DEFAULT);
}

/// The same with other levels, unless somebody says otherwise.
pub(crate) fn start_with(default: &str) {
    let chosen = env::read(env::LOG);
    let filter =
        EnvFilter::try_new(chosen.as_deref().unwrap_or(default)).unwrap_or_else(|_| EnvFilter::new(default));
    // A second start in one process changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
}
