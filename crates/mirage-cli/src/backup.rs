//! `mirage backup FILE`

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use mirage_core::{Code, Error, Result, human_bytes};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::Context;
use super::api::broken_off;

/// Write a copy of the platform into a file
///
/// The platform goes on meanwhile. In it are the database (projects, services, revisions, deployments, logins and
/// variables, tokens) and all images of the built-in registry. Not in it are the vault's key, so keep a copy of
/// `vault.key` in another place: logins and sealed variables cannot be opened without; volumes, logs, the
/// admin token; and unless `--images` asks for them, images of other registries, which a restored platform pulls again.
/// Variables that are not sealed can be read in it: the file is for its owner alone.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage backup mirage.backup\n  mirage backup --images --force /srv/backups/mirage.backup\n  mirage backup - | ssh backup.example 'cat > mirage.backup'"
)]
pub struct BackupArgs {
    /// The file to write; `-` is stdout
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Also the images of other registries, so that services start while those are gone
    #[arg(long)]
    images: bool,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

/// How a process ends that was interrupted, as shells count.
const INTERRUPTED: i32 = 130;

pub(crate) async fn run(args: BackupArgs, context: Context) -> Result<()> {
    let start = Instant::now();
    let to_stdout = args.file.as_os_str() == "-";
    if to_stdout && io::stdout().is_terminal() {
        return Err(Error::new(
            Code::InvalidRequest,
            "`-` writes a backup to a pipe, and stdout is a terminal",
        )
        .hint("`mirage backup mirage.backup` writes a file"));
    }
    let listen = |kind| signal(kind).map_err(|error| Error::internal("listen for signals", error));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let mut out = match to_stdout {
        true => Out::Stdout(io::stdout()),
        false => Out::File(Draft::beside(&args.file, args.force)?),
    };
    let fetched = tokio::select! {
        fetched = fetch(&context, args.images, &mut out) => fetched,
        _ = interrupt.recv() => Err(None),
        _ = terminate.recv() => Err(None),
    };
    let (bytes, key) = match fetched {
        Ok(done) => done,
        Err(Some(error)) => return Err(error),
        Err(None) => {
            drop(out);
            std::process::exit(INTERRUPTED);
        }
    };
    out.keep()?;
    let printer = &context.printer;
    let shown = args.file.display().to_string();
    printer.step("Wrote", &format!("{shown}, {}", human_bytes(bytes)), Some(start.elapsed()));
    if let Some(key) = &key {
        printer.note(&format!(
            "the vault's key is not in it: keep a copy of `vault.key` (key {key}) in another place"
        ));
    }
    if printer.json && !to_stdout {
        printer.json(&json!({ "file": shown, "sizeBytes": bytes, "key": key }));
    }
    Ok(())
}

/// Brings the archive; nothing where it was interrupted.
async fn fetch(
    context: &Context,
    images: bool,
    out: &mut Out,
) -> Result<(u64, Option<String>), Option<Error>> {
    let mut answer = context.api.download_posted("/api/backup", &json!({ "images": images })).await?;
    let key = answer.headers().get("mirage-vault-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let mut bytes = 0;
    while let Some(chunk) = answer.chunk().await.map_err(broken_off)? {
        out.write(&chunk)?;
        bytes += chunk.len() as u64;
    }
    Ok((bytes, key))
}

enum Out {
    File(Draft),
    Stdout(io::Stdout),
}

impl Out {
    fn write(&mut self, chunk: &[u8]) -> Result<()> {
        match self {
            Self::File(draft) => draft.file.write_all(chunk).map_err(|cause| unwritable(&draft.path, cause)),
            Self::Stdout(stdout) => {
                stdout.write_all(chunk).map_err(|cause| unwritable(Path::new("-"), cause))
            }
        }
    }

    fn keep(self) -> Result<()> {
        match self {
            Self::File(draft) => draft.keep(),
            Self::Stdout(mut stdout) => stdout.flush().map_err(|cause| unwritable(Path::new("-"), cause)),
        }
    }
}

/// A file that has its name only when it is complete; dropped before, it leaves nothing.
struct Draft {
    file: File,
    draft: PathBuf,
    path: PathBuf,
    force: bool,
}

impl Draft {
    fn beside(path: &Path, force: bool) -> Result<Self> {
        if !force && path.symlink_metadata().is_ok() {
            return Err(there_already(path));
        }
        let draft = folder_of(path).join(format!(".mirage-backup-{}.draft", std::process::id()));
        let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft);
        let file = made.map_err(|cause| unwritable(path, cause))?;
        Ok(Self { file, draft, path: path.to_owned(), force })
    }

    fn keep(self) -> Result<()> {
        let path = &self.path;
        let named = self.file.sync_all().and_then(|()| match self.force {
            true => fs::rename(&self.draft, path),
            // A file that came to be meanwhile is not replaced either.
            false => fs::hard_link(&self.draft, path).or_else(|cause| match cause.kind() {
                io::ErrorKind::AlreadyExists => Err(cause),
                _ => fs::rename(&self.draft, path),
            }),
        });
        named.and_then(|()| File::open(folder_of(path))?.sync_all()).map_err(|cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => there_already(path),
            _ => unwritable(path, cause),
        })
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Where it was kept, it has another name now.
        let _ = fs::remove_file(&self.draft);
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn there_already(path: &Path) -> Error {
    Error::new(Code::Conflict, format!("`{}` is there already", path.display()))
        .hint("choose another name, or replace it with `--force`")
}

fn unwritable(path: &Path, cause: io::Error) -> Error {
    let shown = path.display();
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::new(Code::DiskFull, format!("there is no room for `{shown}`"))
                .hint("free some space, or choose a place with more of it")
                .because(cause)
        }
        _ => Error::new(Code::InvalidRequest, format!("`{shown}` cannot be written: {cause}"))
            .hint("check the path, and who may write there"),
    }
}
