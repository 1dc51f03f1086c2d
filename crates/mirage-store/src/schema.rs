//! The schema of a database file: looked at before anything is written, copied before it is changed.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use mirage_core::{Code, Error, Result};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};

use crate::store::{failed, is_full};

/// The steps from an empty file to what this Mirage reads and writes.
static STEPS: Migrator = sqlx::migrate!();

/// Copies made before the schema was changed that are kept in any case.
const KEPT_COPIES: usize = 3;
/// The setting that names the Mirage that changed the schema last.
const WRITTEN_BY: &str = "mirage.version";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The number of the schema that this Mirage reads and writes.
pub fn schema() -> u32 {
    STEPS.iter().map(|step| step.version).max().and_then(|newest| newest.try_into().ok()).unwrap_or_default()
}

/// What was found in a file before it is opened for good.
pub(crate) struct Found {
    /// The number of its schema; 0 where there is nothing yet.
    pub(crate) schema: u32,
    /// The copy that was made, where the schema is going to change.
    copy: Option<PathBuf>,
}

impl Found {
    /// A database that is yet to be.
    pub(crate) fn nothing() -> Self {
        Self { schema: 0, copy: None }
    }
}

/// Looks at a database without writing to it, and copies it where its schema is older than this Mirage's:
/// `backups/mirage-<schema>-<time>.db` beside it, the last three of which are kept.
///
/// # Errors
/// `CONFLICT` where a newer Mirage wrote it; `DISK_FULL` where there is no room for the copy.
pub(crate) async fn look_at(path: &Path, now: Timestamp) -> Result<Found> {
    if !fs::metadata(path).is_ok_and(|found| found.len() > 0) {
        return Ok(Found::nothing());
    }
    let mut reader = only_reading(path).await?;
    let found = match version(&mut reader).await? {
        None => Ok(Found::nothing()),
        Some((newest, by)) if newest > i64::from(schema()) => Err(from_the_future(newest, by.as_deref())),
        Some((newest, _)) => {
            let found = u32::try_from(newest).unwrap_or_default();
            let copy = match found < schema() {
                true => Some(keep_copy(&mut reader, path, found, now).await?),
                false => None,
            };
            Ok(Found { schema: found, copy })
        }
    };
    // Only looked at: how closing goes changes nothing.
    let _ = reader.close().await;
    found
}

/// Brings a database to the schema of this Mirage.
///
/// # Errors
/// `CONFLICT` where it was written by a newer one, `INTERNAL` where a step fails, `DISK_FULL` where there is no room for it; all say what
/// is left.
pub(crate) async fn bring_up_to_date(writer: &SqlitePool, found: &Found) -> Result<()> {
    match STEPS.run(writer).await {
        Ok(()) => note_version(writer, found).await,
        Err(MigrateError::VersionMissing(version)) => Err(from_the_future(version, None)),
        Err(error) => Err(not_brought(writer, found, error)),
    }
}

/// Writes a copy of a database that others go on to read and write: what was committed before, nothing
/// that was not. The file is its owner's alone, and complete when this returns.
pub(crate) async fn copy_to(connection: &mut SqliteConnection, path: &Path) -> Result<()> {
    // SQLite writes into an empty file as it does into none; it is closed to others from the start.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = made.map_err(|cause| unwritable(path, cause))?;
    let text = path.to_str().ok_or_else(|| unwritable(path, io::ErrorKind::InvalidFilename.into()))?;
    let copied = sqlx::query("VACUUM INTO ?").bind(text.to_owned()).execute(connection).await;
    copied.map_err(|error| failed("copy the database", error))?;
    file.sync_all().map_err(|cause| unwritable(path, cause))
}

/// The number of the newest step that was taken, and who took it; nothing where none was.
pub(crate) async fn version(connection: &mut SqliteConnection) -> Result<Option<(i64, Option<String>)>> {
    let cannot = |error| failed("read the schema of the database", error);
    let table = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?";
    for name in ["_sqlx_migrations", "setting"] {
        let tables: i64 =
            sqlx::query_scalar(table).bind(name).fetch_one(&mut *connection).await.map_err(cannot)?;
        if tables == 0 {
            return Ok(None);
        }
    }
    let newest = "SELECT MAX(version), (SELECT value FROM setting WHERE key = ?) FROM _sqlx_migrations";
    let row = sqlx::query(newest).bind(WRITTEN_BY).fetch_one(connection).await.map_err(cannot)?;
    let newest: Option<i64> = row.try_get(0).map_err(cannot)?;
    let by = row.try_get(1).map_err(cannot)?;
    Ok(newest.map(|newest| (newest, by)))
}

/// Opens a file without the right to change it.
pub(crate) async fn only_reading(path: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    options.connect().await.map_err(|error| {
        Error::new(Code::Internal, format!("the database `{}` cannot be read", path.display()))
            .hint("check that it is a Mirage database, and who may read it")
            .because(error)
    })
}

/// A schema that this Mirage does not know.
pub(crate) fn from_the_future(version: i64, by: Option<&str>) -> Error {
    let by = by.map_or_else(String::new, |by| format!(" {by}"));
    let message = format!(
        "the database was written by a newer Mirage{by} (schema {version}); this is Mirage {VERSION} (schema {})",
        schema()
    );
    Error::new(Code::Conflict, message)
        .hint("run the newer `mirage`, or put back the copy in `backups` that it made before the upgrade; nothing was changed")
}

async fn keep_copy(
    reader: &mut SqliteConnection,
    path: &Path,
    schema: u32,
    now: Timestamp,
) -> Result<PathBuf> {
    let folder = path.with_file_name("backups");
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(|cause| unwritable(&folder, cause))?;
    let draft = folder.join("unfinished.draft");
    match fs::remove_file(&draft) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(unwritable(&draft, cause)),
        _ => {}
    }
    let kept = folder.join(format!("mirage-{schema}-{}.db", now.strftime("%Y%m%dT%H%M%SZ")));
    if let Err(error) = copy_to(reader, &draft).await {
        // Half a copy takes room that the disk may not have.
        let _ = fs::remove_file(&draft);
        return Err(error);
    }
    fs::rename(&draft, &kept)
        .and_then(|()| File::open(&folder)?.sync_all())
        .map_err(|cause| unwritable(&kept, cause))?;
    if let Err(error) = forget_old_copies(&folder, &kept) {
        tracing::warn!(%error, "old copies of the database stay longer than they should");
    }
    tracing::info!(copy = %kept.display(), "the database was copied before its schema is changed");
    Ok(kept)
}

/// Keeps the newest copies, and of each schema the newest: an upgrade that fails half way and is tried again makes
/// copies that the older `mirage` cannot read. The one just made stays, whatever the clock says.
fn forget_old_copies(folder: &Path, made: &Path) -> io::Result<()> {
    let mut copies = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        let parts = name.strip_prefix("mirage-").and_then(|rest| rest.strip_suffix(".db")?.split_once('-'));
        if let Some((schema, time)) = parts {
            copies.push((time.to_owned(), schema.to_owned(), folder.join(name)));
        }
    }
    copies.sort();
    let mut schemas = HashSet::new();
    for (place, (_, schema, path)) in copies.into_iter().rev().enumerate() {
        let is_newest = schemas.insert(schema);
        if !is_newest && place >= KEPT_COPIES && path != made {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

async fn note_version(writer: &SqlitePool, found: &Found) -> Result<()> {
    if found.schema == schema() {
        return Ok(());
    }
    sqlx::query("INSERT INTO setting (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
        .bind(WRITTEN_BY)
        .bind(VERSION)
        .execute(writer)
        .await
        .map(drop)
        .map_err(|error| failed("write a setting", error))
}

fn not_brought(writer: &SqlitePool, found: &Found, error: MigrateError) -> Error {
    let message = format!("the database could not be brought from schema {} to {}", found.schema, schema());
    let hint = match &found.copy {
        Some(copy) => format!(
            "`{}` is the database as it was before: put it in its place to go back to the older `mirage`",
            copy.display()
        ),
        None => "check the free disk, then start again".to_owned(),
    };
    let full = match &error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => is_full(error),
        _ => false,
    };
    match full {
        true => Error::new(Code::DiskFull, {
            let options = writer.connect_options();
            format!("{message}, because the disk that holds `{}` is full", options.get_filename().display())
        })
        .hint("free some space in the data directory, then start again")
        .because(error),
        false => Error::new(Code::Internal, message).hint(hint).because(error),
    }
}

fn unwritable(path: &Path, cause: io::Error) -> Error {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::new(Code::DiskFull, format!("there is no room for `{}`", path.display()))
                .hint("free some space in the data directory, then start again")
                .because(cause)
        }
        _ => Error::new(Code::Internal, format!("`{}` cannot be written: {cause}", path.display()))
            .hint("check the owner and mode of its folder"),
    }
}

/// Closes a file to everybody but its owner.
pub(crate) fn close_to_others(file: &File) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(0o600))
}

#[cfg(test)]
mod tests;
