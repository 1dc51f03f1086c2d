//! `mirage restore FILE`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use mirage_cli::config::env;
use mirage_cli::{Global, Printer};
use mirage_core::port::Clock as _;
use mirage_core::{Code, Error, Result, human_bytes};
use mirage_store::KeySource;
use serde_json::json;

use crate::clock::SystemClock;
use crate::platform::{Key, RestoreOptions, Restored, restore};
use crate::serve::runtime;

/// Make a platform of a backup, on a machine where none runs
///
/// Writes the data folder; `mirage serve` then brings the services up, and pulls the images that are not in the backup.
/// Volumes begin anew: `mirage volume restore NAME --from FILE` fills one from a file of `mirage volume backup`.
/// The folder stays as it is until everything has been read and checked. The vault's key is not in a backup: put it
/// where it belongs before, name it with `--vault-key`, or set MIRAGE_VAULT_KEY. The first start makes a new admin token.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage restore mirage.backup --vault-key vault.key\n  mirage restore mirage.backup --data-dir ./data --without-key"
)]
pub(crate) struct RestoreArgs {
    /// The backup; `-` is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The key file that belongs to the backup; it is copied into the data folder
    #[arg(long, value_name = "FILE", conflicts_with = "without_key")]
    vault_key: Option<PathBuf>,
    /// Go on without the vault's key: logins and sealed variables stay closed until it is put into its place
    #[arg(long)]
    without_key: bool,
    /// Move a platform that is in the data folder aside, into `replaced-TIME` in it
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: RestoreArgs, global: &Global, printer: &Printer) -> Result<ExitCode> {
    let start = Instant::now();
    let data = global.data_dir();
    if let Some(file) = args.vault_key.as_deref().filter(|file| !file.exists()) {
        let what = format!("`--vault-key` names `{}`, and there is no such file", file.display());
        return Err(Error::new(Code::InvalidRequest, what).hint(
            "name the copy of `vault.key` that was kept beside the backup, or go on with `--without-key`",
        ));
    }
    let options = RestoreOptions {
        key: key(&args, &data.join("vault.key")),
        file: Some(args.file).filter(|file| file.as_os_str() != "-"),
        force: args.force,
        now: SystemClock.now(),
        data,
    };
    let place = options.data.display().to_string();
    let done = runtime()?.block_on(Box::pin(restore(options)))?;
    let Restored { time, mirage, tags, bytes, missing_key, aside } = done;
    let images = if tags == 1 { "image" } else { "images" };
    let what = format!("the backup of {time:.0}, {}, {tags} {images} of the registry", human_bytes(bytes));
    printer.step("Restored", &what, Some(start.elapsed()));
    if let Some(aside) = &aside {
        printer.note(&format!("what was there is in {}", aside.display()));
    }
    if let Some(key) = &missing_key {
        printer.note(&format!(
            "logins and sealed variables stay closed until `{place}/vault.key` is the key {key}"
        ));
    }
    printer.note("`mirage serve` brings the services up, with empty volumes: `mirage volume restore NAME --from FILE` fills one");
    if global.json() {
        printer.json(&json!({
            "time": time, "mirage": mirage, "registryImages": tags, "sizeBytes": bytes,
            "missingKey": missing_key, "replaced": aside,
        }));
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the key is: the one that is named, else that of the environment, else that of the data folder.
fn key(args: &RestoreArgs, place: &std::path::Path) -> Key {
    match (&args.vault_key, env::read(env::VAULT_KEY)) {
        (Some(file), _) => Key::Copied(KeySource::File(file.clone())),
        (None, Some(keys)) => Key::Found(KeySource::Given { variable: env::VAULT_KEY, keys: keys.into() }),
        (None, None) if place.exists() && !args.without_key => Key::Found(KeySource::File(place.to_owned())),
        (None, None) => Key::Absent { allowed: args.without_key },
    }
}
