//! Mirage: one binary, several roles. The command line, the control plane (`serve`), the proxy, a shim for
//! each container, and a runner for each command in one.

mod archives;
mod clock;
mod demo;
mod docs;
mod down;
mod inspect;
mod logging;
mod memory;
mod otlp;
mod platform;
mod proxy;
mod registry;
mod restore;
mod serve;
mod systemd;
#[cfg(feature = "fail-points")]
mod trial;
mod verbs;

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    #[cfg(feature = "fail-points")]
    trial::begin();
    // A shim and a runner must stay small and single-threaded: nothing else of this program runs in them.
    let mut words = std::env::args_os().skip(1);
    let code = match (words.next(), words.next(), words.next()) {
        (Some(role), Some(folder), None) if role == "shim" => {
            Some(mirage_engine::shim::run(Path::new(&folder), &clock::SystemClock))
        }
        // Nobody types what it reads.
        (Some(role), None, None) if role == "exec" && !std::io::stdin().is_terminal() => {
            Some(mirage_engine::exec::run())
        }
        _ => None,
    };
    if let Some(code) = code {
        return ExitCode::from(u8::try_from(code).unwrap_or(1));
    }
    // One TLS stack, chosen once. A second choice in one process would be refused, which is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    verbs::run(verbs::Cli::parse())
}
