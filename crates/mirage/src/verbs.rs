//! Every verb of the binary: those of the command line, and those that take the platform itself.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use mirage_cli::{Archives, Global, Printer, Surroundings, exit_code};
use mirage_core::Result;

use crate::clock::SystemClock;

/// From a container image to a running, verified, reachable service.
#[derive(Debug, Parser)]
#[command(name = "mirage", version, max_term_width = 100, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    global: Global,
}

const EXAMPLES: &str = "\
Examples:
  mirage demo
  mirage deploy ghcr.io/acme/web:2.1 --name web --env GREETING=hello
  mirage logs web -f";

#[derive(Debug, Subcommand)]
enum Verb {
    /// The whole thing, offline, with a sample image; stays until Ctrl-C
    Demo(crate::demo::DemoArgs),
    /// Run the platform on this machine
    Serve(Box<crate::serve::ServeArgs>),
    /// Stop the platform of a data folder with everything it runs
    Down(crate::down::DownArgs),
    #[command(flatten)]
    Cli(mirage_cli::Verb),
    /// Make a platform of a backup, on a machine where none runs
    Restore(crate::restore::RestoreArgs),
    /// Run the image registry alone; needs no root
    Registry(crate::registry::RegistryArgs),
    /// Print a shell completion script
    Completion(crate::docs::CompletionArgs),
    /// Print generated documentation
    #[command(hide = true)]
    Docs(crate::docs::DocsArgs),
    /// The proxy process of a platform
    #[command(hide = true)]
    Proxy(crate::proxy::ProxyArgs),
}

/// Does what the words say; the exit code says how it went: 0 done, 1 cannot be fulfilled, 2 broke.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let printer = cli.global.printer();
    match dispatch(cli, &printer) {
        Ok(code) => code,
        Err(error) => {
            printer.error(&error);
            exit_code(&error)
        }
    }
}

fn dispatch(Cli { verb, global }: Cli, printer: &Printer) -> Result<ExitCode> {
    match verb {
        Verb::Demo(args) => crate::demo::run(args, printer),
        Verb::Serve(args) => crate::serve::run(*args, &global),
        Verb::Down(args) => crate::down::run(args, &global, printer),
        Verb::Cli(verb) => {
            let surroundings = Surroundings {
                clock: Arc::new(SystemClock),
                inspect: crate::inspect::locally,
                archives: Archives { load: crate::archives::load, save: crate::archives::save },
            };
            mirage_cli::run(verb, &global, printer, surroundings)?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Restore(args) => crate::restore::run(args, &global, printer),
        Verb::Registry(args) => crate::registry::run(args, &global),
        Verb::Completion(args) => crate::docs::completion(args),
        Verb::Docs(args) => crate::docs::run(args, printer),
        Verb::Proxy(args) => crate::proxy::run(args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
