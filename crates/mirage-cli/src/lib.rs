//! The command line: one file a verb. Each turns words into a call of the API and the answer into
//! text; none decides anything. What takes the parts of the platform itself, such as `mirage serve`, is
//! in the binary, which adds its verbs to these.

mod api;
mod args;
mod backup;
pub mod config;
mod credential;
mod deploy;
mod deployments;
mod docker_config;
mod doctor;
mod domain;
mod draft;
mod events;
mod follow;
mod held;
mod here;
mod image;
mod inspect;
mod lifecycle;
mod login;
mod logs;
mod metrics;
mod page;
mod printer;
mod progress;
mod remove;
mod restarts;
mod secret;
mod services;
mod status;
mod token;
mod tokens;
mod variables;
mod vault;
mod volume;
mod wait;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, Subcommand};
use futures_util::future::BoxFuture;
use mirage_core::port::Clock;
use mirage_core::{Code, CredentialChange, Error, Result};
use serde_json::Value;

pub use image::{Archives, LoadArchive, LoadedImage, SaveArchive, SavedImage};
pub use printer::{Printer, human_duration};
pub use token::Token;

use api::Api;
use config::env;
use wire::{Change, Created, NewService};

/// What every verb understands.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Address of the platform's API
    #[arg(long, global = true, env = env::URL, value_name = "URL", help_heading = "Platform")]
    url: Option<String>,
    /// Token to show to the API (default: the readable admin.token)
    #[arg(long, global = true, env = env::TOKEN, value_name = "TOKEN", hide_env_values = true, help_heading = "Platform")]
    token: Option<Token>,
    /// Folder in which the platform keeps everything
    #[arg(long, global = true, env = env::DATA_DIR, value_name = "DIR", help_heading = "Platform")]
    data_dir: Option<PathBuf>,
    /// Show data as JSON
    #[arg(long, global = true, help_heading = "Output")]
    json: bool,
    /// Show finished steps only, nothing that moves
    #[arg(long, global = true, help_heading = "Output")]
    no_progress: bool,
    /// Show data and errors alone
    #[arg(long, short, global = true, help_heading = "Output")]
    quiet: bool,
}

impl Global {
    /// The folder in which the platform keeps everything: the one named, else the usual one.
    pub fn data_dir(&self) -> PathBuf {
        config::data_dir(self.data_dir.clone())
    }

    /// Whether data goes out as JSON.
    pub fn json(&self) -> bool {
        self.json
    }

    /// The terminal, as it is to be written to.
    pub fn printer(&self) -> Printer {
        Printer::new(self.json, self.no_progress, self.quiet)
    }
}

/// The verbs that talk to a platform.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show what an image is, and whether it can run here
    Inspect(inspect::InspectArgs),
    /// Bring images in from files, and out into files
    Image(image::ImageArgs),
    /// Deploy an image and wait until it serves
    Deploy(Box<deploy::DeployArgs>),
    /// List services
    Services(services::ServicesArgs),
    /// Show one service
    Status(status::StatusArgs),
    /// List the deployments of a service
    Deployments(deployments::DeploymentsArgs),
    /// Show what a service wrote
    Logs(logs::LogsArgs),
    /// Show who did what, and what happened
    Events(events::EventsArgs),
    /// Show what a service did and used
    Metrics(metrics::MetricsArgs),
    /// Deploy the current revision once more
    Redeploy(lifecycle::RedeployArgs),
    /// Replace the instances of a service by new ones
    Restart(lifecycle::RestartArgs),
    /// Deploy an older revision again
    Rollback(lifecycle::RollbackArgs),
    /// Stop a deployment that is on its way
    Cancel(lifecycle::CancelArgs),
    /// Change the number of instances
    Scale(lifecycle::ScaleArgs),
    /// Remove a service
    Remove(remove::RemoveArgs),
    /// Manage the logins that services share
    #[command(subcommand)]
    Credential(credential::CredentialVerb),
    /// Manage variables of services and environments
    #[command(subcommand)]
    Variables(variables::VariablesVerb),
    /// Manage the domains of services and their certificates
    #[command(subcommand)]
    Domain(domain::DomainVerb),
    /// Manage tokens for the images of projects
    #[command(subcommand)]
    Token(tokens::TokenVerb),
    /// Manage the data that services keep
    #[command(subcommand)]
    Volume(volume::VolumeVerb),
    /// Manage the key that secrets are sealed with
    #[command(subcommand)]
    Vault(vault::VaultVerb),
    /// Write a copy of the platform into a file
    Backup(backup::BackupArgs),
    /// Check this machine and the platform
    Doctor(doctor::DoctorArgs),
}

/// Preflight without a platform: from an image, a platform and a login to the API's answer.
pub type Inspect = fn(String, Option<String>, CredentialChange) -> BoxFuture<'static, Result<Value>>;

/// What a verb needs of the process it runs in.
#[derive(Clone)]
pub struct Surroundings {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How an image is judged where no platform is.
    pub inspect: Inspect,
    /// How archives of images are read and written.
    pub archives: Archives,
}

/// What a verb is given.
struct Context {
    api: Api,
    printer: Printer,
    global: Global,
    surroundings: Surroundings,
}

/// Does what a verb asks for.
///
/// # Errors
/// What the user is to read; [`exit_code`] says how the process ends then.
pub fn run(verb: Verb, global: &Global, printer: &Printer, surroundings: Surroundings) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::internal("start a runtime", error))?;
    let api = Api::new(global.url.clone(), global.token.clone(), global.data_dir.clone())?;
    let context = Context { api, printer: printer.clone(), global: global.clone(), surroundings };
    runtime.block_on(Box::pin(call(verb, context)))
}

async fn call(verb: Verb, context: Context) -> Result<()> {
    match verb {
        Verb::Inspect(args) => inspect::run(args, context).await,
        Verb::Image(args) => image::run(args, context).await,
        Verb::Deploy(args) => deploy::run(*args, context).await,
        Verb::Services(args) => services::run(args, context).await,
        Verb::Status(args) => status::run(args, context).await,
        Verb::Deployments(args) => deployments::run(args, context).await,
        Verb::Logs(args) => logs::run(args, context).await,
        Verb::Events(args) => events::run(args, context).await,
        Verb::Metrics(args) => metrics::run(args, context).await,
        Verb::Redeploy(args) => lifecycle::redeploy(args, context).await,
        Verb::Restart(args) => lifecycle::restart(args, context).await,
        Verb::Rollback(args) => lifecycle::rollback(args, context).await,
        Verb::Cancel(args) => lifecycle::cancel(args, context).await,
        Verb::Scale(args) => lifecycle::scale(args, context).await,
        Verb::Remove(args) => remove::run(args, context).await,
        Verb::Credential(verb) => credential::run(verb, context).await,
        Verb::Variables(verb) => variables::run(verb, context).await,
        Verb::Domain(verb) => domain::run(verb, context).await,
        Verb::Token(verb) => tokens::run(verb, context).await,
        Verb::Volume(verb) => volume::run(verb, context).await,
        Verb::Vault(verb) => vault::run(verb, context).await,
        Verb::Backup(args) => backup::run(args, context).await,
        Verb::Doctor(args) => doctor::run(args, context).await,
    }
}

/// Makes a service of an image at a platform, tells how it goes, and ends when it serves.
///
/// # Errors
/// What the platform refuses, or why the deployment failed.
pub async fn deploy_new(
    url: String,
    token: Token,
    image: String,
    name: Option<String>,
    printer: &Printer,
) -> Result<()> {
    let start = Instant::now();
    let api = Api::new(Some(url), Some(token), None)?;
    let settings = Change { image: Some(image), ..Change::default() };
    let request = NewService { name, settings, ..NewService::default() };
    let made: Created = api.post("/api/services/from-image", &request).await?;
    follow::follow_deployment(&api, printer, &made.service.id, made.deployment, start).await?;
    printer.note(&format!("it serves, {} after the request", human_duration(start.elapsed())));
    Ok(())
}

/// How the process ends with this error: 1 where the request cannot be fulfilled, 2 where something broke.
pub fn exit_code(error: &Error) -> ExitCode {
    match error.code() {
        Code::Internal => ExitCode::from(2),
        _ => ExitCode::from(1),
    }
}
