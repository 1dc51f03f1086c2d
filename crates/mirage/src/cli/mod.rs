//! The command line: one file a verb. Each turns words into a call of the API and the answer into
//! text; none decides anything.

mod api;
mod args;
mod deploy;
mod deployments;
mod doctor;
mod follow;
mod inspect;
mod lifecycle;
mod logs;
mod printer;
mod progress;
mod remove;
mod services;
mod status;
mod token;
mod wait;
pub(crate) mod wire;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use mirage_core::{Code, Error, Result};

pub(crate) use api::Api;
pub(crate) use follow::follow_deployment;
pub(crate) use printer::{Printer, human_duration};
pub(crate) use token::Token;

use crate::config::env;

/// From a container image to a running, verified, reachable service.
#[derive(Debug, Parser)]
#[command(name = "mirage", version, max_term_width = 100, after_help = EXAMPLES)]
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

/// What every verb understands.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// Address of the platform's API
    #[arg(long, global = true, env = env::URL, value_name = "URL", help_heading = "Platform")]
    url: Option<String>,
    /// Token to show to the API (default: the readable admin.token)
    #[arg(long, global = true, env = env::TOKEN, value_name = "TOKEN", hide_env_values = true, help_heading = "Platform")]
    token: Option<Token>,
    /// Folder in which the platform keeps everything
    #[arg(long, global = true, env = env::DATA_DIR, value_name = "DIR", help_heading = "Platform")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Show data as JSON
    #[arg(long, global = true, help_heading = "Output")]
    json: bool,
    /// Show finished steps only, nothing that moves
    #[arg(long, global = true, help_heading = "Output")]
    no_progress: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The whole thing, offline, with a sample image; stays until Ctrl-C
    Demo(crate::demo::DemoArgs),
    /// Run the platform on this machine
    Serve(crate::serve::ServeArgs),
    /// Stop the platform of a data folder with everything it runs
    Down(crate::down::DownArgs),
    /// Show what an image is, and whether it can run here
    Inspect(inspect::InspectArgs),
    /// Deploy an image and wait until it serves
    Deploy(deploy::DeployArgs),
    /// List services
    Services(services::ServicesArgs),
    /// Show one service
    Status(status::StatusArgs),
    /// List the deployments of a service
    Deployments(deployments::DeploymentsArgs),
    /// Show what a service wrote
    Logs(logs::LogsArgs),
    /// Deploy the current revision once more
    Redeploy(lifecycle::RedeployArgs),
    /// Replace the instances of a service by new ones
    Restart(lifecycle::RestartArgs),
    /// Deploy an older revision again
    Rollback(lifecycle::RollbackArgs),
    /// Change the number of instances
    Scale(lifecycle::ScaleArgs),
    /// Remove a service
    Remove(remove::RemoveArgs),
    /// Check this machine and the platform
    Doctor(doctor::DoctorArgs),
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

/// What a verb that talks to the platform is given.
pub(crate) struct Context {
    pub(crate) api: Api,
    pub(crate) printer: Printer,
    pub(crate) global: Global,
}

/// Runs the command line; the exit code says how it went: 0 done, 1 cannot be fulfilled, 2 broke.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let printer = Printer::new(cli.global.json, cli.global.no_progress);
    match dispatch(cli, &printer) {
        Ok(code) => code,
        Err(error) => {
            printer.error(&error);
            exit_code(&error)
        }
    }
}

fn dispatch(cli: Cli, printer: &Printer) -> Result<ExitCode> {
    let Cli { verb, global } = cli;
    match verb {
        Verb::Proxy(args) => return crate::proxy::run(args),
        Verb::Serve(args) => return crate::serve::run(args, &global),
        Verb::Demo(args) => return crate::demo::run(args, &global, printer),
        Verb::Down(args) => return crate::down::run(args, &global, printer),
        Verb::Registry(args) => return crate::registry::run(args, &global),
        Verb::Docs(args) => return crate::docs::run(args, printer),
        Verb::Completion(args) => return crate::docs::completion(args),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::internal("start a runtime", error))?;
    let api = Api::new(global.url.clone(), global.token.clone(), global.data_dir.clone())?;
    let context = Context { api, printer: printer.clone(), global };
    runtime.block_on(Box::pin(call(verb, context)))?;
    Ok(ExitCode::SUCCESS)
}

async fn call(verb: Verb, context: Context) -> Result<()> {
    match verb {
        Verb::Inspect(args) => inspect::run(args, context).await,
        Verb::Deploy(args) => deploy::run(args, context).await,
        Verb::Services(args) => services::run(args, context).await,
        Verb::Status(args) => status::run(args, context).await,
        Verb::Deployments(args) => deployments::run(args, context).await,
        Verb::Logs(args) => logs::run(args, context).await,
        Verb::Redeploy(args) => lifecycle::redeploy(args, context).await,
        Verb::Restart(args) => lifecycle::restart(args, context).await,
        Verb::Rollback(args) => lifecycle::rollback(args, context).await,
        Verb::Scale(args) => lifecycle::scale(args, context).await,
        Verb::Remove(args) => remove::run(args, context).await,
        Verb::Doctor(args) => doctor::run(args, context).await,
        Verb::Demo(_)
        | Verb::Serve(_)
        | Verb::Down(_)
        | Verb::Registry(_)
        | Verb::Completion(_)
        | Verb::Docs(_)
        | Verb::Proxy(_) => Ok(()),
    }
}

fn exit_code(error: &Error) -> ExitCode {
    match error.code() {
        Code::Internal => ExitCode::from(2),
        _ => ExitCode::from(1),
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
