//! Mirage: one binary, four roles. The command line, the control plane (`serve`), the proxy, and a
//! shim for each container.

mod archives;
mod clock;
mod demo;
mod docs;
mod down;
mod inspect;
mod logging;
mod memory;
mod platform;
mod proxy;
mod registry;
mod restore;
mod serve;
mod systemd;
mod verbs;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // A shim must stay small and single-threaded: nothing else of this program runs in it.
    let mut words = std::env::args_os().skip(1);
    if let (Some(role), Some(folder), None) = (words.next(), words.next(), words.next())
        && role == "shim"
    {
        let code = mirage_engine::shim::run(Path::new(&folder), &clock::SystemClock);
        return ExitCode::from(u8::try_from(code).unwrap_or(1));
    }
    // One TLS stack, chosen once. A second choice in one process would be refused, which is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    verbs::run(verbs::Cli::parse())
}
