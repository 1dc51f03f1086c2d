//! The database file and its transactions.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use mirage_core::fault::Writes;
use mirage_core::{Code, Error, Event, Result};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};
use tokio::sync::Notify;

use crate::schema::{self, Found};

/// Readers at the same time. Each costs a thread and a page cache.
const READERS: u32 = 3;
/// Permissions of the database file.
const OWNER_ONLY: u32 = 0o600;

/// The database: one connection that writes, a few that read.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) reader: SqlitePool,
    writer: SqlitePool,
    /// The writing connection is to be replaced before it is used again.
    stale: Arc<AtomicBool>,
    /// Rung by a commit of which nobody heard how it went.
    doubt: Arc<Notify>,
}

/// One decision: everything in it is written, or nothing.
#[derive(Debug)]
pub struct Tx {
    pub(crate) inner: Transaction<'static, Sqlite>,
    pub(crate) events: Vec<Event>,
    pub(crate) writes: Writes,
    doubt: Arc<Notify>,
}

/// Rings when it is dropped before a commit was heard to have gone well: its caller may have gone away in the middle
/// of it, and then the decision is made and nobody acts on it.
struct Doubt(Option<Arc<Notify>>);

impl Drop for Doubt {
    fn drop(&mut self) {
        if let Some(doubt) = self.0.take() {
            doubt.notify_one();
        }
    }
}

impl Store {
    /// Opens the database file, makes it if there is none, and brings its schema up to date.
    ///
    /// Only its owner can read it, and so the files that SQLite puts beside it: variables are in it. Before the
    /// schema of a database is changed, a copy of it is kept in `backups` beside it, named by schema and time.
    ///
    /// # Errors
    /// `CONFLICT` where a newer Mirage wrote it: then nothing has been written.
    pub async fn open(path: &Path, now: Timestamp) -> Result<Self> {
        let found = schema::look_at(path, now).await?;
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(OWNER_ONLY)
            .open(path)
            .and_then(|file| schema::close_to_others(&file))
            .map_err(|error| cannot_open(path, sqlx::Error::Io(error)))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A committed decision survives the power going out, not only the process.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10))
            .pragma("cache_size", "-1024");
        let stale = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stale);
        let writer = pool(1)
            .before_acquire(move |_, _| {
                let fit = !seen.swap(false, Ordering::SeqCst);
                Box::pin(async move { Ok(fit) })
            })
            .connect_with(options.clone())
            .await
            .map_err(|error| cannot_open(path, error))?;
        let reader = pool(READERS)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await
            .map_err(|error| cannot_open(path, error))?;
        Self { reader, writer, stale, doubt: Arc::default() }.migrated(&found).await
    }

    /// A database that lives in memory as long as the value.
    pub async fn in_memory() -> Result<Self> {
        let options = SqliteConnectOptions::from_str("sqlite::memory:")
            .map_err(|error| Error::internal("open a database in memory", error))?
            .foreign_keys(true);
        let only = pool(1)
            .connect_with(options)
            .await
            .map_err(|error| Error::internal("open a database in memory", error))?;
        let store = Self { reader: only.clone(), writer: only, stale: Arc::default(), doubt: Arc::default() };
        store.migrated(&Found::nothing()).await
    }

    async fn migrated(self, found: &Found) -> Result<Self> {
        match schema::bring_up_to_date(&self.writer, found).await {
            Ok(()) => Ok(self),
            Err(error) => {
                self.close().await;
                Err(error)
            }
        }
    }

    /// Begins a decision. There is one at a time; others wait.
    pub async fn begin(&self) -> Result<Tx> {
        let begin = || self.writer.begin_with("BEGIN IMMEDIATE");
        let inner = match begin().await {
            Ok(inner) => inner,
            // Where SQLite ended a transaction by itself, as it does on a full disk, the connection goes
            // on counting it as open and begins no other: it is replaced.
            Err(_) => {
                self.stale.store(true, Ordering::SeqCst);
                begin().await.map_err(|error| failed("begin a transaction", error))?
            }
        };
        let doubt = Arc::clone(&self.doubt);
        Ok(Tx { inner, events: Vec::new(), writes: Writes::default(), doubt })
    }

    /// Waits for a commit of which nobody heard how it went, and then until it is over.
    ///
    /// # Errors
    /// Where the database cannot be written to; then it is over as well.
    pub async fn doubted(&self) -> Result<()> {
        self.doubt.notified().await;
        // Nobody else writes until the connection is done with it.
        self.begin().await.map(drop)
    }

    /// Closes the file. Everything committed is in it already.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

impl Tx {
    /// Makes the decision a fact, and answers with the events that tell of it.
    pub async fn commit(self) -> Result<Vec<Event>> {
        self.writes.before_commit()?;
        let mut doubt = Doubt(Some(self.doubt));
        if let Err(error) = self.inner.commit().await {
            if is_full(&error) {
                // SQLite has said that nothing is written, and somebody has heard it.
                doubt.0 = None;
            }
            return Err(failed("commit a transaction", error));
        }
        self.writes.after_commit()?;
        doubt.0 = None;
        Ok(self.events)
    }

    /// Adds a fact to the event log.
    pub async fn append(&mut self, event: Event) -> Result<()> {
        self.writes.add("append");
        let number = crate::event::insert(&mut self.inner, &event).await?;
        self.events.push(Event { number, ..event });
        Ok(())
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(300))
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

fn cannot_open(path: &Path, error: sqlx::Error) -> Error {
    if is_full(&error) {
        let what = format!("the disk is full, so the database `{}` cannot be opened", path.display());
        return Error::new(Code::DiskFull, what)
            .hint("free some space in the data directory, then start again")
            .because(error);
    }
    Error::new(Code::Internal, format!("the database `{}` cannot be opened", path.display()))
        .hint("check that the folder is writable and the file is a Mirage database")
        .because(error)
}

/// An error of SQLite as one of ours; a full disk is told apart.
pub(crate) fn failed(doing: &str, error: sqlx::Error) -> Error {
    match is_full(&error) {
        true => Error::new(Code::DiskFull, format!("the disk is full, so Mirage could not {doing}"))
            .hint("free some space in the data directory, then ask again")
            .because(error),
        false => Error::internal(doing, error),
    }
}

/// Whether something found no room: `SQLITE_FULL`, or the file that connections share could not be made larger
/// (`SQLITE_IOERR_SHMSIZE`), which has no other reason.
pub(crate) fn is_full(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::StorageFull,
        error => error
            .as_database_error()
            .and_then(|error| error.code())
            .is_some_and(|code| code == "13" || code == "4874"),
    }
}
