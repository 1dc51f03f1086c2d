//! `mirage backup FILE`

use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use mirage_core::{Code, Error, Result, human_bytes};
use serde_json::{Value, json};

use super::Context;
use super::api::broken_off;
use super::draft::{Draft, INTERRUPTED, unless_interrupted, unwritable};

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
    let mut out = match to_stdout {
        true => Out::Stdout(io::stdout()),
        false => Out::File(Draft::beside(&args.file, args.force)?),
    };
    let Some((bytes, key)) = unless_interrupted(fetch(&context, args.images, &mut out)).await? else {
        drop(out);
        std::process::exit(INTERRUPTED);
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
    // The file is whole, whatever comes of this question.
    let volumes: Vec<Value> = context.api.all("/api/volumes", "volumes").await.unwrap_or_default();
    if let Some(name) = volumes.first().and_then(|volume| volume["name"].as_str()) {
        printer
            .note(&format!("what is in volumes is not in it: `mirage volume backup {name} FILE` saves one"));
    }
    if printer.json && !to_stdout {
        printer.json(&json!({ "file": shown, "sizeBytes": bytes, "key": key }));
    }
    Ok(())
}

/// Brings the archive; answers with its size and the id of the vault's key.
async fn fetch(context: &Context, images: bool, out: &mut Out) -> Result<(u64, Option<String>)> {
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
            Self::File(draft) => draft.write(chunk),
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
