//! `mirage token`

use clap::{Args, Subcommand};
use mirage_core::{Code, Error, Result};
use serde::{Deserialize, Serialize};

use super::Context;
use super::api::segment;
use super::wire::{CreatedToken, Told};

/// Manage tokens for the images of projects
#[derive(Debug, Subcommand)]
pub enum TokenVerb {
    /// Make a token, and show it this once
    Create(CreateArgs),
    /// List tokens, without the tokens themselves
    List(ListArgs),
    /// Take a token away
    Remove(RemoveArgs),
}

/// Make a token, and show it this once
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage token create ci --project shop --push\n  mirage token create ci --push | docker login 127.0.0.1:7070 -u ci --password-stdin"
)]
pub struct CreateArgs {
    /// What it is for
    name: String,
    /// Project whose images it is for; its repositories are below this name
    #[arg(long, default_value = "default")]
    project: String,
    /// Images may be pushed and removed, besides pulled
    #[arg(long)]
    push: bool,
}

/// List tokens, without the tokens themselves
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mirage token list\n  mirage token list --json")]
pub struct ListArgs {}

/// Take a token away
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage token remove shop/ci\n  mirage token remove 0b9f6c1e-55a1-4c55-9a3f-2a8f3f1f7d10"
)]
pub struct RemoveArgs {
    /// The project and the token's name, or its id
    #[arg(value_name = "PROJECT/NAME|ID")]
    which: String,
}

#[derive(Serialize)]
struct NewToken {
    name: String,
    project: String,
    push: bool,
}

#[derive(Debug, Deserialize)]
struct Access {
    id: String,
    name: String,
    project: String,
    push: bool,
}

pub(crate) async fn run(verb: TokenVerb, context: Context) -> Result<()> {
    match verb {
        TokenVerb::Create(args) => create(args, &context).await,
        TokenVerb::List(ListArgs {}) => list(&context).await,
        TokenVerb::Remove(args) => {
            let all: Vec<Told<Access>> = context.api.all("/api/tokens", "tokens").await?;
            let meant = |one: &&Told<Access>| format!("{}/{}", one.project, one.name) == args.which;
            let found = all.iter().find(meant);
            if found.is_none() && args.which.contains('/') {
                return Err(Error::new(Code::NotFound, format!("there is no token `{}`", args.which))
                    .hint("`mirage token list` shows them"));
            }
            let id = found.map_or(args.which.as_str(), |one| &one.id);
            let path = format!("/api/tokens/{}", segment(id));
            let gone: Told<Access> = context.api.delete(&path).await?;
            if context.printer.json {
                context.printer.json(&gone);
            }
            context.printer.step("Removed", &format!("the token {}/{}", gone.project, gone.name), None);
            Ok(())
        }
    }
}

async fn create(args: CreateArgs, context: &Context) -> Result<()> {
    let rights = if args.push { "push and pull" } else { "pull" };
    let below = format!("{}/…", args.project);
    let new = NewToken { name: args.name, project: args.project, push: args.push };
    let made: Told<CreatedToken> = context.api.post("/api/tokens", &new).await?;
    match context.printer.json {
        true => context.printer.json(&made),
        false => context.printer.data(made.token.reveal()),
    }
    context.printer.note(&format!("it may {rights} {below}, with any user name; it is not shown again"));
    Ok(())
}

async fn list(context: &Context) -> Result<()> {
    let all: Vec<Told<Access>> = context.api.all("/api/tokens", "tokens").await?;
    if context.printer.json {
        context.printer.json(&all);
        return Ok(());
    }
    if all.is_empty() {
        context.printer.note("no tokens but the admin's; `mirage token create NAME` makes one");
        return Ok(());
    }
    let mut rows = vec![["PROJECT", "TOKEN", "MAY", "ID"].map(str::to_owned).to_vec()];
    rows.extend(all.iter().map(|one| {
        let may = if one.push { "push, pull" } else { "pull" };
        vec![one.project.clone(), one.name.clone(), may.to_owned(), one.id.clone()]
    }));
    context.printer.table(&rows);
    Ok(())
}
