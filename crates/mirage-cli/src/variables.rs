//! `mirage variables`

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use mirage_core::{Code, Error, Result};
use serde::{Deserialize, Serialize};

use super::api::segment;
use super::args::{env_file, pair};
use super::wire::{Password, Service, ServiceVariables, SharedVariables, Told};
use super::{Context, page, secret};

/// Manage variables of services and environments
#[derive(Debug, Subcommand)]
pub enum VariablesVerb {
    /// List variables; of sealed ones the names
    List(ListArgs),
    /// Set variables, plain or sealed
    Set(SetArgs),
    /// Take variables away
    Unset(UnsetArgs),
}

/// Whose variables.
#[derive(Debug, Args)]
pub(crate) struct OwnerArgs {
    /// The service: a name, an id, or project/environment/name
    #[arg(long, short = 's', value_name = "NAME", required_unless_present = "shared")]
    service: Option<String>,
    /// Those that the services of an environment share
    #[arg(long, conflicts_with = "service")]
    shared: bool,
    /// Project of shared variables
    #[arg(long, default_value = "default")]
    project: String,
    /// Environment of shared variables
    #[arg(long, default_value = "production")]
    environment: String,
}

/// List variables; of sealed ones the names
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mirage variables list -s web\n  mirage variables list --shared --json")]
pub struct ListArgs {
    #[command(flatten)]
    owner: OwnerArgs,
}

/// Set variables, plain or sealed
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage variables set -s web GREETING=hello\n  mirage variables set --shared --sealed-stdin GITHUB_TOKEN < token.txt\n  mirage variables set -s web --sealed-file secrets.env"
)]
pub struct SetArgs {
    #[command(flatten)]
    owner: OwnerArgs,
    /// Plain variables
    #[arg(value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// Plain variables of a file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Variables of a file, so that nobody can read them back
    #[arg(long, value_name = "FILE")]
    sealed_file: Option<PathBuf>,
    /// A variable whose value is read from standard input, so that nobody can read it back
    #[arg(long, value_name = "NAME")]
    sealed_stdin: Option<String>,
}

/// Take variables away
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage variables unset -s web GREETING\n  mirage variables unset --shared GITHUB_TOKEN"
)]
pub struct UnsetArgs {
    #[command(flatten)]
    owner: OwnerArgs,
    /// Their names
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

/// Variables as they may be shown.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    variables: BTreeMap<String, String>,
    sealed_variables: Vec<String>,
}

pub(crate) async fn run(verb: VariablesVerb, context: Context) -> Result<()> {
    match verb {
        VariablesVerb::List(args) => {
            show(&args.owner.shown(&context).await?, &context);
            Ok(())
        }
        VariablesVerb::Set(args) => set(args, &context).await,
        VariablesVerb::Unset(args) => {
            let had = args.owner.shown(&context).await?;
            let is_there =
                |name: &String| had.variables.contains_key(name) || had.sealed_variables.contains(name);
            if let Some(unknown) = args.names.iter().find(|name| !is_there(name)) {
                return Err(Error::new(Code::NotFound, format!("there is no variable `{unknown}`"))
                    .hint("`mirage variables list` with the same options shows those there are"));
            }
            let gone = args.names.into_iter().map(|name| (name, None)).collect();
            change(&args.owner, gone, BTreeMap::new(), &context).await
        }
    }
}

async fn set(args: SetArgs, context: &Context) -> Result<()> {
    let mut plain: BTreeMap<String, Option<String>> = BTreeMap::new();
    if let Some(file) = &args.file {
        plain.extend(env_file(file)?.into_iter().map(|(name, value)| (name, Some(value))));
    }
    for text in &args.variables {
        let (name, value) = pair(text)?;
        plain.insert(name, Some(value));
    }
    let mut sealed = BTreeMap::new();
    if let Some(file) = &args.sealed_file {
        sealed.extend(env_file(file)?.into_iter().map(|(name, value)| (name, Password(value.into()))));
    }
    if let Some(name) = args.sealed_stdin {
        let value = secret::from_stdin(&format!("value of {name}"))?;
        sealed.insert(name, Password(value));
    }
    if plain.is_empty() && sealed.is_empty() {
        return Err(Error::new(Code::InvalidRequest, "there is nothing to set")
            .hint("write `NAME=VALUE`, or name a file with `--file` or `--sealed-file`"));
    }
    change(&args.owner, plain, sealed, context).await
}

async fn change(
    owner: &OwnerArgs,
    variables: BTreeMap<String, Option<String>>,
    sealed_variables: BTreeMap<String, Password>,
    context: &Context,
) -> Result<()> {
    let shown = match &owner.service {
        Some(service) => {
            let body = ServiceVariables { environment_variables: variables, sealed_variables };
            let path = format!("/api/services/{}", segment(service));
            let service: Told<Service> = context.api.patch(&path, &body).await?;
            context.printer.note("they take effect with the next `mirage deploy`");
            page::tell(&context.api, &context.printer, &format!("{}/variables", page::of_service(&service)));
            of(service)
        }
        None => {
            let body = SharedVariables { variables, sealed_variables };
            context.api.patch(&owner.shared_path(), &body).await?
        }
    };
    show(&shown, context);
    Ok(())
}

impl OwnerArgs {
    async fn shown(&self, context: &Context) -> Result<Shown> {
        match &self.service {
            Some(service) => Ok(of(context.api.get(&format!("/api/services/{}", segment(service))).await?)),
            None => context.api.get(&self.shared_path()).await,
        }
    }

    fn shared_path(&self) -> String {
        let (project, environment) = (segment(&self.project), segment(&self.environment));
        format!("/api/projects/{project}/environments/{environment}/variables")
    }
}

fn of(service: Told<Service>) -> Shown {
    Shown {
        variables: service.environment_variables.clone(),
        sealed_variables: service.sealed_variables.clone(),
    }
}

fn show(shown: &Shown, context: &Context) {
    if context.printer.json {
        return context.printer.json(shown);
    }
    for (name, value) in &shown.variables {
        context.printer.data(&format!("{name}={value}"));
    }
    for name in &shown.sealed_variables {
        context.printer.data(&format!("{name}  (sealed)"));
    }
}
