//! Copies of the database: out of a platform that runs, and into one that is to be.

use std::path::Path;

use mirage_core::{Code, Error, Result};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::schema;
use crate::store::{Store, failed};

/// Settings that belong to one machine and not to what is wanted on it.
const OF_THE_MACHINE: &[&str] = &["node"];
/// The setting that names the vault's key.
const KEY: &str = "vault.key";

/// What a copy says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyFacts {
    /// The number of its schema.
    pub schema: u32,
    /// The name of the key that its secrets are sealed with.
    pub key: Option<String>,
}

impl Store {
    /// Writes a copy of everything that is committed now to a new file at `path`, for its owner alone. Readers and
    /// writers go on meanwhile.
    ///
    /// # Errors
    /// `DISK_FULL`, or `INTERNAL` where there is a file already.
    pub async fn copy_to(&self, path: &Path) -> Result<CopyFacts> {
        let mut reader = self.reader.acquire().await.map_err(|error| failed("copy the database", error))?;
        schema::copy_to(&mut reader, path).await?;
        drop(reader);
        let copied = Self::facts_of_copy(path).await?;
        copied.ok_or_else(|| Error::internal("copy the database", anyhow::anyhow!("the copy is empty")))
    }

    /// What a copy says about itself; nothing where it is no database of Mirage's. Writes nothing.
    ///
    /// # Errors
    /// `INTERNAL` where the file cannot be read as a database.
    pub async fn facts_of_copy(path: &Path) -> Result<Option<CopyFacts>> {
        let mut reader = schema::only_reading(path).await?;
        let version = schema::version(&mut reader).await?;
        let Some((version, _)) = version else { return Ok(None) };
        let key = sqlx::query_scalar("SELECT value FROM setting WHERE key = ?").bind(KEY);
        let key = key.fetch_optional(&mut reader).await.map_err(|error| failed("read a setting", error))?;
        reader.close().await.map_err(|error| failed("close a copy of the database", error))?;
        Ok(Some(CopyFacts { schema: u32::try_from(version).unwrap_or(u32::MAX), key }))
    }

    /// Makes a copy fit to be the database of this machine: what belongs to the machine it came from is
    /// forgotten, and `settings` are written. The copy is checked page by page first.
    ///
    /// # Errors
    /// `INVALID_REQUEST` where it is damaged.
    pub async fn settle_copy(path: &Path, settings: &[(&str, &str)]) -> Result<()> {
        let cannot = |error| damaged(path, error);
        let options = SqliteConnectOptions::new()
            .filename(path)
            // One file, with nothing beside it that would have to be moved along.
            .journal_mode(SqliteJournalMode::Delete)
            .pragma("trusted_schema", "OFF");
        let mut copy = options.connect().await.map_err(cannot)?;
        let found: String =
            sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut copy).await.map_err(cannot)?;
        if found != "ok" {
            return Err(damaged(path, anyhow::anyhow!("{found}")));
        }
        for key in OF_THE_MACHINE {
            let forgotten = sqlx::query("DELETE FROM setting WHERE key = ?").bind(*key);
            forgotten.execute(&mut copy).await.map_err(cannot)?;
        }
        for (key, value) in settings {
            let written = sqlx::query("INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)");
            let written = written.bind((*key).to_owned()).bind((*value).to_owned());
            written.execute(&mut copy).await.map_err(cannot)?;
        }
        copy.close().await.map_err(cannot)
    }
}

fn damaged(path: &Path, cause: impl Into<anyhow::Error>) -> Error {
    Error::new(Code::InvalidRequest, format!("the database in `{}` is damaged", path.display()))
        .hint("take another backup")
        .because(cause)
}
