//! `mirage volume`

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, Subcommand};
use futures_util::{Stream, StreamExt, stream};
use jiff::Timestamp;
use mirage_core::{Code, Error, Result, human_bytes};
use serde::{Deserialize, Serialize};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::Context;
use super::api::segment;
use super::draft::{Draft, INTERRUPTED, unless_interrupted};
use super::printer::human_age;
use super::wire::Told;

/// Bytes that are read of a file at a time.
const CHUNK: usize = 256 << 10;

/// Volumes that are asked for at a time.
const PAGE: u32 = 500;

/// Manage the data that services keep
#[derive(Debug, Subcommand)]
pub enum VolumeVerb {
    /// List volumes, and who has them
    List(ListArgs),
    /// Make a volume that no service has yet
    Create(CreateArgs),
    /// Remove a volume that no service mounts
    Remove(RemoveArgs),
    /// Take a removal back, or fill a volume from a backup
    Restore(RestoreArgs),
    /// Write what is in a volume to a file
    Backup(BackupArgs),
}

/// List volumes, and who has them
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mirage volume list\n  mirage volume list --json")]
pub struct ListArgs {}

/// Make a volume that no service has yet
#[derive(Debug, Args)]
#[command(
    after_help = "A service that names a volume which is not there makes it too.\n\nExamples:\n  mirage volume create data\n  mirage volume create data --project shop --environment staging"
)]
pub struct CreateArgs {
    /// Its name, unique in its environment
    name: String,
    /// Project
    #[arg(long, default_value = "default")]
    project: String,
    /// Environment
    #[arg(long, default_value = "production")]
    environment: String,
}

/// Remove a volume that no service mounts
#[derive(Debug, Args)]
#[command(
    after_help = "The data is kept for 48 hours, and so long `mirage volume restore` takes this back.\n\nExamples:\n  mirage volume remove data\n  mirage volume remove shop/staging/data"
)]
pub struct RemoveArgs {
    /// The volume: a name, an id, or project/environment/name
    name: String,
}

/// Take a removal back, or fill a volume from a backup
#[derive(Debug, Args)]
#[command(
    after_help = "A backup takes the place of what is in the volume, once all of it has arrived; no instance may use the volume\nmeanwhile. A volume that is not there is made.\n\nExamples:\n  mirage volume restore data\n  mirage volume restore data --from data.tar.zst"
)]
pub struct RestoreArgs {
    /// The volume: a name, an id, or project/environment/name
    name: String,
    /// Fill it from this file
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Another name, where the old one is taken by now
    #[arg(long = "as", value_name = "NAME", conflicts_with = "from")]
    rename: Option<String>,
}

/// Write what is in a volume to a file
#[derive(Debug, Args)]
#[command(
    after_help = "The service may run: the backup is what a machine would find that lost its power meanwhile. Where that does\nnot do, stop the service first: `mirage scale NAME 0`.\n\nExamples:\n  mirage volume backup data data.tar.zst\n  mirage volume backup shop/staging/data data.tar.zst"
)]
pub struct BackupArgs {
    /// The volume: a name, an id, or project/environment/name
    name: String,
    /// The file, a tar compressed with zstd
    file: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct NewVolume {
    name: String,
    project: String,
    environment: String,
}

#[derive(Serialize)]
struct Restore {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Volume {
    name: String,
    project: String,
    environment: String,
    service: Option<String>,
    path: Option<String>,
    size_bytes: Option<u64>,
    size_is_partial: bool,
    /// A platform before this one measured all.
    #[serde(default = "yes")]
    size_is_measured: bool,
    purged_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Volumes {
    volumes: Vec<Told<Volume>>,
    next: Option<String>,
}

pub(crate) async fn run(verb: VolumeVerb, context: Context) -> Result<()> {
    match verb {
        VolumeVerb::List(ListArgs {}) => list(&context).await,
        VolumeVerb::Create(args) => create(args, &context).await,
        VolumeVerb::Remove(args) => remove(args, &context).await,
        VolumeVerb::Restore(RestoreArgs { name, from: Some(file), .. }) => fill(&name, &file, &context).await,
        VolumeVerb::Restore(args) => restore(args, &context).await,
        VolumeVerb::Backup(args) => backup(args, &context).await,
    }
}

async fn list(context: &Context) -> Result<()> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page: Volumes = context.api.get(&format!("/api/volumes?limit={PAGE}{after}")).await?;
        all.extend(page.volumes);
        match page.next {
            Some(next) => after = format!("&after={}", segment(&next)),
            None => break,
        }
    }
    let printer = &context.printer;
    if printer.json {
        printer.json(&all);
        return Ok(());
    }
    if all.is_empty() {
        printer.note("no volumes yet; `mirage deploy REF --volume NAME:PATH` makes one");
        return Ok(());
    }
    let now = context.surroundings.clock.now();
    let heading = ["VOLUME", "ENVIRONMENT", "SERVICE", "PATH", "SIZE", "STATE"].map(str::to_owned);
    let mut rows = vec![heading.to_vec()];
    rows.extend(all.iter().map(|one| {
        vec![
            one.name.clone(),
            format!("{}/{}", one.project, one.environment),
            one.service.clone().unwrap_or_else(|| "-".into()),
            one.path.clone().unwrap_or_else(|| "-".into()),
            size(one),
            state(one, now),
        ]
    }));
    printer.table(&rows);
    Ok(())
}

async fn create(args: CreateArgs, context: &Context) -> Result<()> {
    let new = NewVolume { name: args.name, project: args.project, environment: args.environment };
    let made: Told<Volume> = context.api.post("/api/volumes", &new).await?;
    show(&made, context);
    context.printer.step("Created", &format!("the volume {}", place(&made)), None);
    Ok(())
}

async fn remove(args: RemoveArgs, context: &Context) -> Result<()> {
    let gone: Told<Volume> = context.api.delete(&path(&args.name, "")).await?;
    show(&gone, context);
    context.printer.step("Removed", &format!("the volume {}", place(&gone)), None);
    let back =
        format!("its data is kept for 48 hours; `mirage volume restore {}` takes this back", args.name);
    context.printer.note(&back);
    Ok(())
}

async fn restore(args: RestoreArgs, context: &Context) -> Result<()> {
    let back: Told<Volume> =
        context.api.post(&path(&args.name, "/restore"), &Restore { name: args.rename }).await?;
    show(&back, context);
    context.printer.step("Restored", &format!("the volume {}", place(&back)), None);
    Ok(())
}

async fn fill(name: &str, file: &Path, context: &Context) -> Result<()> {
    let start = Instant::now();
    let source = File::open(file).await.map_err(|error| {
        Error::new(Code::InvalidRequest, format!("`{}` cannot be read: {error}", file.display()))
            .hint("name a file that `mirage volume backup` wrote")
    })?;
    let filled: Told<Volume> =
        context.api.upload(&path(name, "/backup"), "application/zstd", pieces(source)).await?;
    show(&filled, context);
    let text = format!("the volume {} from {}, {}", place(&filled), file.display(), size(&filled));
    context.printer.step("Restored", &text, Some(start.elapsed()));
    Ok(())
}

async fn backup(args: BackupArgs, context: &Context) -> Result<()> {
    let start = Instant::now();
    let file = &args.file;
    let mut draft = Draft::beside(file, args.force)?;
    let mut archive = context.api.download(&path(&args.name, "/backup")).await?;
    let fetched = unless_interrupted(async {
        let mut bytes = 0;
        while let Some(piece) = archive.next().await {
            let piece = piece?;
            bytes += piece.len() as u64;
            draft.write(&piece)?;
        }
        Ok(bytes)
    });
    let Some(bytes) = fetched.await? else {
        drop(draft);
        std::process::exit(INTERRUPTED);
    };
    draft.keep()?;
    if context.printer.json {
        context.printer.json(&serde_json::json!({ "file": file, "sizeBytes": bytes }));
    }
    let text = format!("the volume {} to {}, {}", args.name, file.display(), human_bytes(bytes));
    context.printer.step("Saved", &text, Some(start.elapsed()));
    Ok(())
}

fn path(name: &str, rest: &str) -> String {
    format!("/api/volumes/{}{rest}", segment(name))
}

fn show(volume: &Told<Volume>, context: &Context) {
    if context.printer.json {
        context.printer.json(volume);
    }
}

fn place(volume: &Volume) -> String {
    format!("{}/{}/{}", volume.project, volume.environment, volume.name)
}

fn size(volume: &Volume) -> String {
    match volume.size_bytes {
        Some(bytes) if volume.size_is_partial => format!("over {}", human_bytes(bytes)),
        Some(bytes) => human_bytes(bytes),
        None if !volume.size_is_measured => "not measured".into(),
        None => "empty".into(),
    }
}

fn yes() -> bool {
    true
}

fn state(volume: &Volume, now: Timestamp) -> String {
    match volume.purged_at {
        Some(at) => format!("removed, kept for {}", human_age(at.duration_since(now).as_secs().max(0))),
        None if volume.path.is_some() => "in use".into(),
        None => "free".into(),
    }
}

/// What is in a file, in pieces.
fn pieces(file: File) -> impl Stream<Item = std::io::Result<Vec<u8>>> + Send + 'static {
    stream::try_unfold(file, |mut file| async move {
        let mut piece = vec![0; CHUNK];
        let count = file.read(&mut piece).await?;
        piece.truncate(count);
        Ok((count > 0).then_some((piece, file)))
    })
}
