//! `mirage image`

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use clap::{Args, Subcommand, ValueEnum};
use futures_util::future::BoxFuture;
use mirage_core::port::{Progress, PullProgress};
use mirage_core::{Code, CredentialChange, Error, Platform, Reference, Result, human_bytes};
use serde::Serialize;

use super::held::{self, ListArgs, RemoveArgs, TagsArgs};
use super::login::LoginArgs;
use super::progress::Bars;
use super::wire;
use super::{Context, Printer, Token};

/// Look at images, remove them, bring them in from files and out into files
#[derive(Debug, Args)]
#[command(subcommand_required = true)]
pub struct ImageArgs {
    #[command(subcommand)]
    verb: ImageVerb,
}

#[derive(Debug, Subcommand)]
enum ImageVerb {
    /// Push the images of an archive to the platform's registry
    ///
    /// Takes what `docker save`, `podman save` and `skopeo copy` write: docker-archives and oci-archives, also
    /// compressed with gzip or zstd. An image is called what the archive calls it, without the registry and without
    /// Docker Hub's `library/`: `ghcr.io/acme/web:2` becomes `acme/web:2`, `docker.io/library/nginx:1.27` becomes
    /// `nginx:1.27`. Layers are pushed as they are, and those that the registry has already are not sent. The names
    /// that exist now are printed, one on each line.
    Load(LoadArgs),
    /// Write an image of a registry into an archive
    ///
    /// Takes an image of the platform's registry, or of any that wants no login. The file has its name only when it is
    /// complete; what was there before is replaced. An oci-archive has no place for a manifest of Docker's schema 2:
    /// such a one is written as OCI's, and its digest is another one then.
    Save(SaveArgs),
    /// List what the platform's registry holds
    List(ListArgs),
    /// List the tags that an image has in its registry
    Tags(TagsArgs),
    /// Take a tag or a repository away from the platform's registry
    ///
    /// Images that nothing there means any more go with a tag, also those that lost theirs before, a day after their push,
    /// but for what services need. What runs goes on, and a revision that can be rolled back to keeps its bytes, as far as
    /// they were brought to the machine. Other bytes are freed within a day or so.
    Remove(RemoveArgs),
}

/// Push the images of an archive to the platform's registry
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage image load web.tar\n  docker save acme/web:2 | mirage image load -\n  mirage image load web.tar.gz --as acme/web:2"
)]
struct LoadArgs {
    /// The archive; `-` is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Another name than the archive's; without a tag each image keeps its own
    #[arg(long = "as", value_name = "REPOSITORY[:TAG]")]
    rename: Option<String>,
}

/// Write an image of a registry into an archive
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage image save 127.0.0.1:7070/acme/web:2 web.tar\n  mirage image save nginx:1.27 nginx.tar --platform linux/arm64\n  mirage image save 127.0.0.1:7070/acme/web:2 - --format docker | docker load"
)]
struct SaveArgs {
    /// The image
    #[arg(value_name = "REF")]
    reference: String,
    /// The archive to write; `-` is stdout
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What is written
    #[arg(long, value_enum, default_value_t = Format::Oci)]
    format: Format,
    /// Which image of an index (default: this machine's)
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<String>,
    #[command(flatten)]
    login: LoginArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// oci-archive: layers as they are in the registry
    Oci,
    /// docker-archive: for Docker before version 25, and others that know nothing else
    Docker,
}

/// What reads and writes archives.
#[derive(Clone, Copy)]
pub struct Archives {
    /// Pushes the images of an archive; answers with what the registry has now.
    pub load: fn(LoadArchive) -> BoxFuture<'static, Result<Vec<LoadedImage>>>,
    /// Writes an image into an archive.
    pub save: fn(SaveArchive) -> BoxFuture<'static, Result<SavedImage>>,
}

/// An archive to be loaded.
#[derive(Clone)]
pub struct LoadArchive {
    /// The archive; stdin where there is none.
    pub file: Option<PathBuf>,
    /// Another name: `acme/web`, `acme/web:2`.
    pub rename: Option<String>,
    /// Address of the platform.
    pub url: String,
    /// What is shown to it.
    pub token: Option<Token>,
    /// Who hears how it goes.
    pub progress: Arc<dyn Progress>,
}

/// An image that is in the registry now.
#[derive(Clone, Debug, Serialize)]
pub struct LoadedImage {
    /// How it can be deployed.
    pub reference: String,
    /// The digest of its manifest or index.
    pub digest: String,
}

/// An image to be saved.
#[derive(Clone)]
pub struct SaveArchive {
    /// The image.
    pub reference: Reference,
    /// The login at its registry, where that is not the platform's.
    pub login: CredentialChange,
    /// The platform that was asked for.
    pub platform: Option<Platform>,
    /// Whether it is to be a docker-archive.
    pub docker: bool,
    /// The archive to write; stdout where there is none.
    pub file: Option<PathBuf>,
    /// Address of the platform.
    pub url: String,
    /// What is shown to it.
    pub token: Option<Token>,
    /// Who hears how it goes.
    pub progress: Arc<dyn Progress>,
}

/// An image that has been saved.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedImage {
    /// The digest of its manifest.
    pub digest: String,
    /// Number of its layers.
    pub layers: u32,
    /// The size of the archive.
    pub size_bytes: u64,
}

pub(crate) async fn run(args: ImageArgs, context: Context) -> Result<()> {
    match args.verb {
        ImageVerb::Load(args) => load(args, context).await,
        ImageVerb::Save(args) => save(args, context).await,
        ImageVerb::List(ListArgs {}) => held::list(&context).await,
        ImageVerb::Tags(args) => held::tags(args, &context).await,
        ImageVerb::Remove(args) => held::remove(args, &context).await,
    }
}

async fn load(args: LoadArgs, context: Context) -> Result<()> {
    let start = Instant::now();
    let printer = &context.printer;
    let file = Some(args.file).filter(|file| file.as_os_str() != "-");
    if file.is_none() && std::io::stdin().is_terminal() {
        return Err(Error::new(
            Code::InvalidRequest,
            "`-` reads an archive from a pipe, and stdin is a terminal",
        )
        .hint("`docker save acme/web:2 | mirage image load -`"));
    }
    let moving = Arc::new(Moving::new(printer));
    let request = LoadArchive {
        file,
        rename: args.rename,
        url: context.api.base().to_owned(),
        token: context.api.token().cloned(),
        progress: Arc::clone(&moving) as Arc<dyn Progress>,
    };
    let loaded = (context.surroundings.archives.load)(request).await;
    let moved = moving.end();
    let loaded = loaded?;
    let (sent, of) = (moved.layers_moved, moved.layers_total);
    let others = if sent < of { "; the others were there" } else { "" };
    let text = format!("{sent} of {of} blobs, {}{others}", human_bytes(moved.bytes_total));
    printer.step("Pushed", &text, Some(start.elapsed()));
    for image in &loaded {
        printer.step("Loaded", &format!("{}, {}", image.reference, image.digest), None);
    }
    match printer.json {
        true => printer.json(&loaded),
        false => loaded.iter().for_each(|image| printer.data(&image.reference)),
    }
    Ok(())
}

async fn save(args: SaveArgs, context: Context) -> Result<()> {
    let start = Instant::now();
    let printer = &context.printer;
    let reference: Reference = args.reference.parse()?;
    let platform: Option<Platform> = args.platform.map(|text| text.parse()).transpose()?;
    let file = Some(args.file).filter(|file| file.as_os_str() != "-");
    if file.is_none() && (printer.json || std::io::stdout().is_terminal()) {
        let why = if printer.json { "is wanted for `--json`" } else { "is a terminal" };
        return Err(Error::new(
            Code::InvalidRequest,
            format!("`-` writes an archive to stdout, which {why}"),
        )
        .hint(format!("name a file: `mirage image save {} image.tar`", args.reference)));
    }
    let moving = Arc::new(Moving::new(printer));
    let request = SaveArchive {
        reference: reference.clone(),
        login: args.login.change()?,
        platform,
        docker: args.format == Format::Docker,
        file: file.clone(),
        url: context.api.base().to_owned(),
        token: context.api.token().cloned(),
        progress: Arc::clone(&moving) as Arc<dyn Progress>,
    };
    let saved = (context.surroundings.archives.save)(request).await;
    moving.end();
    let saved = saved?;
    let to = file.map_or("stdout".to_owned(), |file| file.display().to_string());
    let text = format!("{} to {to}, {}", reference.familiar(), human_bytes(saved.size_bytes));
    printer.step("Saved", &text, Some(start.elapsed()));
    if printer.json {
        printer.json(&saved);
    }
    Ok(())
}

/// Bars for what moves, and a memory of how far it came.
struct Moving(Mutex<(Bars, PullProgress)>);

impl Moving {
    fn new(printer: &Printer) -> Self {
        Self(Mutex::new((Bars::new(printer), PullProgress::default())))
    }

    /// Takes the bars away.
    fn end(&self) -> PullProgress {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0.clear();
        state.1.clone()
    }
}

impl Progress for Moving {
    fn report(&self, progress: &PullProgress) {
        let layer = |(digest, bytes_total, bytes_done): &(mirage_core::Digest, u64, u64)| wire::Layer {
            digest: digest.to_string(),
            bytes_total: *bytes_total,
            bytes_done: *bytes_done,
        };
        let shown = wire::Progress { layers: progress.layers.iter().map(layer).collect() };
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0.show(Some(&shown));
        state.1 = progress.clone();
    }
}
