//! `mirage image list`, `mirage image tags REF`, `mirage image remove NAME`

use clap::Args;
use mirage_core::{Reference, Result, human_bytes};
use serde::{Deserialize, Serialize};

use super::Context;
use super::api::segment;
use super::login::LoginArgs;
use super::wire::{RegistryCredentials, Told};

/// List what the platform's registry holds
#[derive(Debug, Args)]
#[command(
    after_help = "Of each repository the first tags are shown.\n\nExamples:\n  mirage image list\n  mirage image list --json"
)]
pub(crate) struct ListArgs {}

/// List the tags that an image has in its registry
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage image tags nginx\n  mirage image tags ghcr.io/acme/web --registry-username ci --registry-password-stdin < token.txt"
)]
pub(crate) struct TagsArgs {
    /// The image; its tag does not matter
    #[arg(value_name = "REF")]
    reference: String,
    /// Ask with what a service of this project would pull with
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Ask with what a service of this environment would pull with
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    #[command(flatten)]
    login: LoginArgs,
}

/// Take a tag or a repository away from the platform's registry
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage image remove acme/web:2\n  mirage image remove 127.0.0.1:7070/acme/web --force"
)]
pub(crate) struct RemoveArgs {
    /// The tag, or the repository with all its tags
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: String,
    /// Remove it although services are set to it: their next deploy finds no image
    #[arg(long)]
    force: bool,
}

/// Body of `POST /api/images/tags`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListTags {
    image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    registry_credentials: Option<RegistryCredentials>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Tags {
    tags: Vec<String>,
    more: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    name: String,
    tags: Vec<Tag>,
    tag_count: usize,
    used_by: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tag {
    name: String,
    digest: String,
    size_bytes: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Removed {
    name: String,
    manifests: usize,
    used_by: Vec<String>,
}

pub(crate) async fn list(context: &Context) -> Result<()> {
    let all: Vec<Told<Repository>> = context.api.all("/api/repositories", "repositories").await?;
    let printer = &context.printer;
    if printer.json {
        printer.json(&all);
        return Ok(());
    }
    if all.is_empty() {
        printer.note("no images yet; `docker push` or `mirage image load FILE` brings one");
        return Ok(());
    }
    let mut rows = vec![["IMAGE", "DIGEST", "SIZE", "USED BY"].map(str::to_owned).to_vec()];
    for one in &all {
        let users = if one.used_by.is_empty() { "-".to_owned() } else { one.used_by.join(" ") };
        rows.extend(one.tags.iter().map(|tag| {
            let digest = tag.digest.chars().take("sha256:".len() + 12).collect();
            let size = tag.size_bytes.map_or("-".to_owned(), human_bytes);
            vec![format!("{}:{}", one.name, tag.name), digest, size, users.clone()]
        }));
        match one.tag_count.saturating_sub(one.tags.len()) {
            0 if one.tags.is_empty() => rows.push(vec![one.name.clone(), "-".into(), "-".into(), users]),
            0 => {}
            more => rows.push(vec![format!("{}, {more} more tags", one.name)]),
        }
    }
    printer.table(&rows);
    Ok(())
}

pub(crate) async fn tags(args: TagsArgs, context: &Context) -> Result<()> {
    // A wrong reference is refused here with the same words as there.
    args.reference.parse::<Reference>()?;
    let request = ListTags {
        image: args.reference,
        registry_credentials: args.login.credentials()?,
        project: args.project,
        environment: args.environment,
    };
    let found: Told<Tags> = context.api.post("/api/images/tags", &request).await?;
    let printer = &context.printer;
    match printer.json {
        true => printer.json(&found),
        false => found.tags.iter().for_each(|tag| printer.data(tag)),
    }
    if found.tags.is_empty() {
        printer.note("the repository has no tag");
    }
    if found.more {
        printer.note("it has more; the registry was not asked for them");
    }
    Ok(())
}

pub(crate) async fn remove(args: RemoveArgs, context: &Context) -> Result<()> {
    let force = if args.force { "?force=true" } else { "" };
    let path = format!("/api/repositories/{}{force}", segment(&args.name));
    let gone: Told<Removed> = context.api.delete(&path).await?;
    if context.printer.json {
        context.printer.json(&gone);
    }
    let what = match gone.manifests {
        0 => "the tag alone, as another one means the same image".to_owned(),
        1 => "1 manifest".to_owned(),
        more => format!("{more} manifests"),
    };
    context.printer.step("Removed", &format!("{}, {what}", gone.name), None);
    if !gone.used_by.is_empty() {
        let users = gone.used_by.join(", ");
        context.printer.note(&format!("{users}: the next deploy finds no image until another one is set"));
    }
    Ok(())
}
