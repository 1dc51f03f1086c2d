//! `mirage credential`

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use mirage_core::{Code, Error, RegistryHost, RegistryPlace, Repository, Result};
use serde::Deserialize;

use super::api::segment;
use super::wire::{Credential, NewCredential, Password, Told};
use super::{Context, page, secret};
use crate::config::{docker_config, podman_logins, programs};
use crate::docker_config::found_logins;

/// The user name beside a token that suffices by itself.
const ANY_USER: &str = "token";

/// Manage the logins that services share
#[derive(Debug, Subcommand)]
pub enum CredentialVerb {
    /// Give the services of a project or an environment a login
    Set(SetArgs),
    /// List the logins, without their passwords
    List(ListArgs),
    /// Take over the logins that docker or podman has on this machine
    Import(ImportArgs),
    /// Show a login to its registry
    Test(TestArgs),
    /// Forget a login
    Remove(RemoveArgs),
}

/// Whose services share a login.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// Project
    #[arg(long, default_value = "default")]
    project: String,
    /// Environment (default: the whole project)
    #[arg(long)]
    environment: Option<String>,
}

/// Give the services of a project or an environment a login
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage credential set ghcr.io/acme --username ci < token.txt\n  mirage credential set 123456789012.dkr.ecr.eu-west-1.amazonaws.com --username AKIA… --environment staging"
)]
pub struct SetArgs {
    /// The registry, and the repositories below it that the login is for
    #[arg(value_name = "REGISTRY[/REPOSITORY]")]
    at: String,
    /// User name; where a token alone suffices, any
    #[arg(long, value_name = "NAME", default_value = ANY_USER)]
    username: String,
    #[command(flatten)]
    place: PlaceArgs,
    /// Read the password or token from standard input, as happens anyway
    #[arg(long)]
    password_stdin: bool,
}

/// Take over the logins that docker or podman has on this machine
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage credential import\n  mirage credential import --podman --environment staging ghcr.io"
)]
pub struct ImportArgs {
    /// Only those of these registries
    #[arg(value_name = "REGISTRY", value_parser = registry)]
    only: Vec<RegistryHost>,
    /// The file to read (default: docker's, `~/.docker/config.json`)
    #[arg(long, value_name = "FILE", conflicts_with = "podman")]
    config: Option<PathBuf>,
    /// Read podman's file
    #[arg(long)]
    podman: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

/// List the logins, without their passwords
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mirage credential list\n  mirage credential list --json")]
pub struct ListArgs {}

/// Show a login to its registry
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage credential test ghcr.io/acme\n  mirage credential test ghcr.io/acme --image ghcr.io/acme/web:1"
)]
pub struct TestArgs {
    /// Its id, or its registry with the repository
    #[arg(value_name = "ID|REGISTRY[/REPOSITORY]")]
    which: String,
    /// An image that must be readable with it
    #[arg(long, value_name = "REF")]
    image: Option<String>,
}

/// Forget a login
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage credential remove ghcr.io/acme\n  mirage credential remove 0b9f6c1e-55a1-4c55-9a3f-2a8f3f1f7d10"
)]
pub struct RemoveArgs {
    /// Its id, or its registry with the repository
    #[arg(value_name = "ID|REGISTRY[/REPOSITORY]")]
    which: String,
}

#[derive(Debug, Deserialize)]
struct Tested {
    asked: bool,
}

pub(crate) async fn run(verb: CredentialVerb, context: Context) -> Result<()> {
    match verb {
        CredentialVerb::Set(args) => set(args, &context).await,
        CredentialVerb::List(ListArgs {}) => list(&context).await,
        CredentialVerb::Import(args) => import(args, &context).await,
        CredentialVerb::Test(args) => test(args, &context).await,
        CredentialVerb::Remove(args) => remove(args, &context).await,
    }
}

async fn set(args: SetArgs, context: &Context) -> Result<()> {
    let (registry, repository) = place(&args.at)?;
    let new = NewCredential {
        registry: registry.to_string(),
        repository: repository.map(|repository| repository.to_string()),
        username: args.username,
        password: Password(secret::from_stdin("password")?),
        project: args.place.project,
        environment: args.place.environment,
    };
    let kept: Told<Credential> = context.api.post("/api/credentials", &new).await?;
    if context.printer.json {
        context.printer.json(&kept);
    }
    context.printer.step("Set", &format!("the login of {} for {}", named(&kept), shared(&kept)), None);
    page::tell(&context.api, &context.printer, &format!("/credentials/{}", kept.id));
    Ok(())
}

async fn import(args: ImportArgs, context: &Context) -> Result<()> {
    let usual = if args.podman { podman_logins() } else { docker_config() };
    let file = args.config.or(usual).ok_or_else(|| {
        Error::new(Code::InvalidRequest, "there is no folder in which the logins could be")
            .hint("name the file with `--config`")
    })?;
    let found = found_logins(&file, &programs()).await?;
    for skipped in &found.skipped {
        context.printer.note(&format!("passed over `{}`: {}", skipped.key, skipped.why));
    }
    let mut kept: Vec<Told<Credential>> = Vec::new();
    for login in found.logins.into_iter().filter(|one| args.only.is_empty() || args.only.contains(&one.host))
    {
        let new = NewCredential {
            registry: login.host.to_string(),
            repository: login.prefix.map(|prefix| prefix.to_string()),
            username: login.username,
            password: Password(login.password),
            project: args.place.project.clone(),
            environment: args.place.environment.clone(),
        };
        let one: Told<Credential> = context.api.post("/api/credentials", &new).await?;
        context.printer.step("Imported", &format!("the login of {}, from {}", named(&one), login.from), None);
        if login.short_lived {
            context
                .printer
                .note("  it is good for hours only; give an access key with `mirage credential set` instead");
        }
        kept.push(one);
    }
    if context.printer.json {
        context.printer.json(&kept);
    }
    if kept.is_empty() {
        return Err(Error::new(Code::NotFound, format!("`{}` has no login to take over", file.display()))
            .hint("log in with `docker login`, or give the login with `mirage credential set`"));
    }
    Ok(())
}

async fn list(context: &Context) -> Result<()> {
    let all: Vec<Told<Credential>> = context.api.all("/api/credentials", "credentials").await?;
    if context.printer.json {
        context.printer.json(&all);
        return Ok(());
    }
    if all.is_empty() {
        context.printer.note("no logins yet; `mirage credential set REGISTRY` gives one");
        return Ok(());
    }
    let heading = ["REGISTRY", "REPOSITORY", "USER", "FOR", "ID"].map(str::to_owned);
    let mut rows = vec![heading.to_vec()];
    rows.extend(all.iter().map(|one| {
        let repository = one.repository.clone().unwrap_or_else(|| "*".to_owned());
        vec![one.registry.clone(), repository, one.username.clone(), shared(one), one.id.clone()]
    }));
    context.printer.table(&rows);
    Ok(())
}

async fn test(args: TestArgs, context: &Context) -> Result<()> {
    let one = find(&args.which, context).await?;
    let path = format!("/api/credentials/{}/test", segment(&one.id));
    let body: BTreeMap<&str, String> = args.image.iter().map(|image| ("image", image.clone())).collect();
    let tested: Told<Tested> = context.api.post(&path, &body).await?;
    if context.printer.json {
        context.printer.json(&tested);
    }
    let what = match (&args.image, tested.asked) {
        (Some(image), _) => format!("{} can pull {image}", named(&one)),
        (None, true) => format!("{} is accepted", named(&one)),
        (None, false) => format!("{} lets everybody in, and did not look at the password", one.registry),
    };
    context.printer.step("Tested", &what, None);
    Ok(())
}

async fn remove(args: RemoveArgs, context: &Context) -> Result<()> {
    let one = find(&args.which, context).await?;
    let removed: Told<Credential> =
        context.api.delete(&format!("/api/credentials/{}", segment(&one.id))).await?;
    if context.printer.json {
        context.printer.json(&removed);
    }
    context.printer.step("Removed", &format!("the login of {} for {}", named(&one), shared(&one)), None);
    Ok(())
}

/// The one that is meant: by id, or by registry and repository where only one is for those.
async fn find(which: &str, context: &Context) -> Result<Credential> {
    let all: Vec<Told<Credential>> = context.api.all("/api/credentials", "credentials").await?;
    let at = place(which).ok();
    let meant = |one: &Credential| {
        let here = at.as_ref().is_some_and(|(registry, repository)| {
            one.registry == registry.as_str()
                && one.repository.as_deref() == repository.as_ref().map(Repository::as_str)
        });
        // A service's own goes by its id alone: nobody should take it for one that is shared.
        one.id == which || (here && one.service.is_none())
    };
    let mut found: Vec<Credential> = all.iter().filter(|one| meant(one)).map(|one| (**one).clone()).collect();
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Error::new(Code::NotFound, format!("there is no login for `{which}`"))
            .hint("`mirage credential list` shows them")),
        n => Err(Error::new(Code::Conflict, format!("{n} logins are for `{which}`"))
            .hint("name one by its id; `mirage credential list` shows them")),
    }
}

fn registry(text: &str) -> Result<RegistryHost, String> {
    text.parse().map_err(|error: Error| error.message().to_owned())
}

/// `ghcr.io/acme` as registry and repository.
fn place(text: &str) -> Result<(RegistryHost, Option<Repository>)> {
    let RegistryPlace { host, prefix } = text.parse()?;
    Ok((host, prefix))
}

fn named(one: &Credential) -> String {
    let below = one.repository.as_ref().map(|repository| format!("/{repository}")).unwrap_or_default();
    format!("{} at {}{below}", one.username, one.registry)
}

/// Who pulls with it: `default/production`, `default/*`, `default/production/web`.
fn shared(one: &Credential) -> String {
    let environment = one.environment.as_deref().unwrap_or("*");
    let service = one.service.as_ref().map(|service| format!("/{service}")).unwrap_or_default();
    format!("{}/{environment}{service}", one.project)
}
