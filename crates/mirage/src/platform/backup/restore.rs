//! From an archive to the data folder of a platform that is to be.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use mirage_core::fault::point;
use mirage_core::{Code, Error, Result};
use mirage_oci::content::{ContentStore, LayerFormat, StoreConfig};
use mirage_oci::registry::Repositories;
use mirage_proxy::ProxyRecord;
use mirage_store::{KeySource, Store, schema};
use serde::de::DeserializeOwned;

use super::place::{self, Drafts, broken};
use super::tar::{Entries, Entry, Fault};
use super::{
    CONTENTS, Contents, DATABASE, FORMAT, HEAD, Head, LISTING, Listing, MAX_HEAD, MAX_LIST, Part,
    REGISTRY_HOSTS, VERSION, entry_of,
};
use crate::platform::lock_data_dir;
use mirage_cli::config::run_dir;

/// What to do without the right key.
const OTHER_KEY: &str = "name the `vault.key` of the platform that it was made of with `--vault-key`, or set MIRAGE_VAULT_KEY to its content; `--without-key` leaves closed what is sealed";

/// What is restored, and where.
pub(crate) struct RestoreOptions {
    /// The data folder.
    pub(crate) data: PathBuf,
    /// The archive; stdin where there is none.
    pub(crate) file: Option<PathBuf>,
    /// Whether what is in the data folder already goes aside.
    pub(crate) force: bool,
    /// The vault's key.
    pub(crate) key: Key,
    /// Now, for the name of what goes aside.
    pub(crate) now: Timestamp,
}

/// Where the key is that belongs to a backup.
pub(crate) enum Key {
    /// Here, and it stays there.
    Found(KeySource),
    /// In this file, and it is to be put into the data folder.
    Copied(KeySource),
    /// Nowhere.
    Absent {
        /// Whether what is sealed may stay closed until it is put into its place.
        allowed: bool,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Restored {
    /// When the backup was made.
    pub(crate) time: Timestamp,
    /// By which Mirage.
    pub(crate) mirage: String,
    /// Images that the registry has: its tags.
    pub(crate) tags: usize,
    /// The size of the archive.
    pub(crate) bytes: u64,
    /// The name of the key that is missing still.
    pub(crate) missing_key: Option<String>,
    /// Where what was there before is now.
    pub(crate) aside: Option<PathBuf>,
}

/// Makes a data folder of a backup. Until it is whole nothing of it has a name, and whatever goes wrong leaves the
/// folder as it was. Blocks, but for the database.
///
/// # Errors
/// `CONFLICT` where a platform is in the folder or runs there, or the archive is a newer Mirage's; `INVALID_REQUEST` where
/// it is damaged, cut short or no backup; `TARGET_UNAVAILABLE` where the key is not the one that belongs to it.
pub(crate) async fn restore(options: RestoreOptions) -> Result<Restored> {
    let data = &options.data;
    DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(|cause| broken(data, cause))?;
    let _lock = lock_data_dir(data)?;
    place::settle(data)?;
    is_free(data, options.force)?;
    let mut archive = Archive::open(options.file.as_deref())?;
    let head = archive.head()?;
    let missing_key = check_key(&head, &options.key)?;
    let drafts = Drafts::make(data)?;
    point("restore/draft")?;
    archive.database(&head, &drafts.path(place::DATABASE))?;
    let listing = archive.content(&drafts)?;
    archive.contents()?;
    point("restore/read")?;
    settle_database(&head, &drafts.path(place::DATABASE), archive.shown()).await?;
    if let Key::Copied(source) = &options.key {
        source.copy_to(&drafts.path("vault.key"))?;
    }
    let aside = place::aside(data, &format!("replaced-{}", options.now.strftime("%Y%m%dT%H%M%SZ")));
    let replaced = place::is_taken(data).map(|_| data.join(&aside));
    drafts.keep(&aside)?;
    let tags = listing.repositories.0.values().map(|held| held.tags.len()).sum();
    Ok(Restored {
        time: head.time,
        mirage: head.mirage,
        tags,
        bytes: archive.bytes,
        missing_key,
        aside: replaced,
    })
}

/// Refuses a folder in which a platform is, or of which something runs.
fn is_free(data: &Path, force: bool) -> Result<()> {
    let run = run_dir(data);
    let instances = fs::read_dir(run.join("instances")).is_ok_and(|mut all| all.next().is_some());
    if instances || ProxyRecord::read(&run).is_some_and(|proxy| proxy.is_alive()) {
        return Err(Error::new(Code::Conflict, format!("services of `{}` still run", data.display()))
            .hint("`mirage down` stops them"));
    }
    match place::is_taken(data).filter(|_| !force) {
        None => Ok(()),
        Some(found) => Err(Error::new(Code::Conflict, format!("`{}` is there already", found.display()))
            .hint("choose an empty folder with `--data-dir`, or let `--force` move aside what is there")),
    }
}

/// Refuses a key that opens nothing; answers with the name of one that is missing.
fn check_key(head: &Head, key: &Key) -> Result<Option<String>> {
    let Some(needed) = &head.key else { return Ok(None) };
    let source = match key {
        Key::Absent { allowed: true } => return Ok(Some(needed.clone())),
        Key::Absent { allowed: false } => {
            let message = format!("this backup needs the vault's key `{needed}`, which is not here");
            return Err(Error::new(Code::TargetUnavailable, message).hint(OTHER_KEY));
        }
        Key::Found(source) | Key::Copied(source) => source,
    };
    if source.names()?.contains(needed) {
        return Ok(None);
    }
    let place = source.place();
    Err(Error::new(
        Code::TargetUnavailable,
        format!("{place} is not the key `{needed}` that this backup needs"),
    )
    .hint(OTHER_KEY))
}

async fn settle_database(head: &Head, path: &Path, archive: &str) -> Result<()> {
    let facts = Store::facts_of_copy(path)
        .await
        .map_err(|error| damaged(archive, "its database cannot be read").because(error_of(error)))?;
    let facts = facts.ok_or_else(|| damaged(archive, "its database is none of Mirage's"))?;
    if (facts.schema, &facts.key) != (head.schema, &head.key) {
        return Err(damaged(archive, "its database is another one than it says"));
    }
    let hosts = serde_json::to_string(&head.registry_hosts)
        .map_err(|error| Error::internal("write down the names of the registry", error))?;
    Store::settle_copy(path, &[(REGISTRY_HOSTS, &hosts)])
        .await
        .map_err(|error| damaged(archive, "its database is damaged").because(error_of(error)))
}

fn error_of(error: Error) -> io::Error {
    io::Error::other(format!("{error:?}"))
}

/// An archive, read from its start to its end.
struct Archive {
    shown: String,
    entries: Entries<Box<dyn Read + Send>>,
    seen: Vec<Part>,
    bytes: u64,
}

impl Archive {
    fn open(file: Option<&Path>) -> Result<Self> {
        let (shown, reader): (_, Box<dyn Read + Send>) = match file {
            None => ("-".to_owned(), Box::new(io::stdin())),
            Some(path) => {
                let shown = path.display().to_string();
                let opened = File::open(path).and_then(|file| match file.metadata()?.is_dir() {
                    true => Err(io::ErrorKind::IsADirectory.into()),
                    false => Ok(file),
                });
                let file = opened.map_err(|cause| unreadable(&shown, cause))?;
                (shown, Box::new(BufReader::with_capacity(1 << 20, file)))
            }
        };
        Ok(Self { shown, entries: Entries::new(reader), seen: Vec::new(), bytes: 0 })
    }

    fn shown(&self) -> &str {
        &self.shown
    }

    fn head(&mut self) -> Result<Head> {
        match self.entries.next() {
            Ok(Some(entry)) if entry.name == HEAD && entry.bytes <= MAX_HEAD => self.begun(&entry),
            Err(fault @ Fault::Unreadable(_)) => return Err(self.explain(fault)),
            _ => {
                return Err(Error::new(Code::InvalidRequest, format!("`{}` is no backup", self.shown))
                    .hint("`mirage backup FILE` makes one"));
            }
        }
        let text = self.read(MAX_HEAD)?;
        self.passed();
        /// What every format has.
        #[derive(serde::Deserialize)]
        struct Versions {
            format: u32,
            mirage: String,
            schema: u32,
        }
        let Versions { format, mirage, schema: found } =
            serde_json::from_slice(&text).map_err(|_| damaged(&self.shown, "its head cannot be read"))?;
        if format > FORMAT || found > schema() {
            let mirage: String = mirage.chars().filter(char::is_ascii_graphic).take(40).collect();
            let message = format!(
                "`{}` was made by a newer Mirage {mirage} (format {format}, schema {found}); this is Mirage {VERSION} (format {FORMAT}, schema {})",
                self.shown,
                schema()
            );
            return Err(Error::new(Code::Conflict, message)
                .hint(format!("restore it with the `mirage` of version {mirage}")));
        }
        serde_json::from_slice(&text).map_err(|_| damaged(&self.shown, "its head cannot be read"))
    }

    fn database(&mut self, head: &Head, path: &Path) -> Result<()> {
        self.expect(DATABASE)?;
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let mut file = written.map_err(|cause| broken(path, cause))?;
        let copied =
            zstd::Decoder::new(&mut self.entries).map(|decoder| decoder.take(head.database_bytes + 1));
        let copied = copied.and_then(|mut inflated| io::copy(&mut inflated, &mut file));
        match copied {
            Ok(bytes) if bytes == head.database_bytes => {}
            Err(error)
                if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
            {
                return Err(broken(path, error));
            }
            _ => return Err(self.failed("its database is not what it should be")),
        }
        self.drain()?;
        file.flush().map_err(|cause| broken(path, cause))?;
        self.passed();
        Ok(())
    }

    fn content(&mut self, drafts: &Drafts) -> Result<Listing> {
        let entry = self.expect(LISTING)?;
        if entry.bytes > MAX_LIST {
            return Err(damaged(&self.shown, "its list of images is longer than any can be"));
        }
        let listing: Listing = self.json(MAX_LIST)?;
        self.passed();
        // Only kept; how layers can be mounted here is found out by the platform.
        let (root, run) = (drafts.path("content"), drafts.path("run"));
        let store =
            ContentStore::open(StoreConfig { root, run, layer_format: Some(LayerFormat::Directory) })?;
        for blob in &listing.blobs {
            let name = entry_of("blobs", blob);
            self.expect(&name)?;
            let mut writer = store.blob_writer()?;
            let kept = match io::copy(&mut self.entries, &mut writer) {
                Ok(_) => writer.finish(blob).map(drop),
                Err(cause) => Err(broken(store.root(), cause)),
            };
            self.kept(kept)?;
            self.passed();
        }
        for layer in &listing.layers {
            let name = entry_of("layers", layer);
            self.expect(&name)?;
            let kept = store.put_layer_file(layer, &mut self.entries).map(drop);
            self.kept(kept)?;
            self.passed();
        }
        Repositories::open(store.root())?.restore(&listing.repositories)?;
        Ok(listing)
    }

    fn contents(&mut self) -> Result<()> {
        self.expect(CONTENTS)?;
        let contents: Contents = self.json(MAX_LIST)?;
        let before = self.seen.len().saturating_sub(1);
        self.seen.truncate(before);
        if contents.parts != self.seen {
            let other = contents.parts.iter().zip(&self.seen).find(|(told, seen)| told != seen);
            let what = other.map_or_else(
                || "its list of contents".to_owned(),
                |(_, seen)| format!("`{}` in it", seen.name),
            );
            return Err(damaged(&self.shown, format!("{what} is not what was packed")));
        }
        match self.entries.next() {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(damaged(&self.shown, "something stands behind its end")),
            Err(fault) => Err(self.explain(fault)),
        }
    }

    /// The next entry, which has to be this one.
    fn expect(&mut self, name: &str) -> Result<Entry> {
        match self.entries.next() {
            Ok(Some(entry)) if entry.name == name => {
                self.begun(&entry);
                Ok(entry)
            }
            Ok(_) => Err(damaged(&self.shown, format!("`{name}` is not where it should be"))),
            Err(fault) => Err(self.explain(fault)),
        }
    }

    fn begun(&mut self, entry: &Entry) {
        self.bytes += entry.bytes;
        let Entry { name, bytes } = entry.clone();
        self.seen.push(Part { name, bytes, sha256: String::new() });
    }

    /// The current entry has been read to its end.
    fn passed(&mut self) {
        if let Some(part) = self.seen.last_mut() {
            part.sha256 = self.entries.sha256();
        }
    }

    fn json<T: DeserializeOwned>(&mut self, most: u64) -> Result<T> {
        let text = self.read(most)?;
        serde_json::from_slice(&text).map_err(|_| damaged(&self.shown, "a list in it cannot be read"))
    }

    fn read(&mut self, most: u64) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        let read = (&mut self.entries).take(most).read_to_end(&mut text);
        read.map_err(|_| self.failed("it cannot be read"))?;
        Ok(text)
    }

    fn drain(&mut self) -> Result<()> {
        match io::copy(&mut self.entries, &mut io::sink()) {
            Ok(0) => Ok(()),
            _ => Err(self.failed("its database is longer than it should be")),
        }
    }

    /// What came of keeping a blob or a layer: bytes that are not what they should be are the archive's fault.
    fn kept(&mut self, kept: Result<()>) -> Result<()> {
        kept.map_err(|error| match (self.entries.fault(), error.code()) {
            (Some(fault), _) => self.explain(fault),
            (None, Code::ImagePullError) => damaged(&self.shown, "an image in it is not what was packed"),
            (None, _) => error,
        })
    }

    fn failed(&mut self, why: &'static str) -> Error {
        let fault = self.entries.fault();
        self.explain(fault.unwrap_or(Fault::Damaged(why)))
    }

    fn explain(&self, fault: Fault) -> Error {
        match fault {
            Fault::CutShort => Error::new(Code::InvalidRequest, format!("`{}` is cut short", self.shown))
                .hint("copy it anew, or take another backup; nothing was restored"),
            Fault::Damaged(why) => damaged(&self.shown, why),
            Fault::Unreadable(kind) => unreadable(&self.shown, kind.into()),
        }
    }
}

fn damaged(archive: &str, why: impl AsRef<str>) -> Error {
    Error::new(Code::InvalidRequest, format!("`{archive}` is damaged: {}", why.as_ref()))
        .hint("copy it anew, or take another backup; nothing was restored")
}

fn unreadable(archive: &str, cause: io::Error) -> Error {
    Error::new(Code::InvalidRequest, format!("`{archive}` cannot be read: {cause}"))
        .hint("check the path, and who may read it")
}
