//! From a platform that runs to an archive.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mirage_control::{Alone, Backup, ToPack};
use mirage_core::fault::{point, point_io};
use mirage_core::port::{Clock, Randomness};
use mirage_core::{Code, Digest, Error, RegistryHost, Result};
use mirage_engine::stream::{PATIENCE, Sink, written_by};
use mirage_oci::content::{ContentStore, Hold};
use mirage_oci::pull::Images;
use mirage_oci::registry::Repositories;
use mirage_store::{CopyFacts, Store};
use ring::digest::{Context, SHA256};
use tokio::task::spawn_blocking;

use super::{
    CONTENTS, Contents, DATABASE, FORMAT, HEAD, Head, LISTING, Listing, Part, VERSION, entry_of, hex,
};

/// How hard the database is compressed: little, it is a fifth of its size then.
const LEVEL: i32 = 3;
/// Drafts of backups, below the data folder. Nothing in it outlives the process.
const DRAFTS: &str = "backups/drafts";

/// The parts of a platform that have what goes into a backup.
#[derive(Clone)]
pub(crate) struct Packing {
    pub(crate) data: PathBuf,
    pub(crate) store: Store,
    pub(crate) content: ContentStore,
    pub(crate) repositories: Repositories,
    pub(crate) images: Images,
    pub(crate) registry_hosts: Vec<RegistryHost>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Randomness>,
}

/// Removes what backups that were broken off by the end of the process left behind.
pub(crate) fn forget_drafts(data: &Path) {
    match fs::remove_dir_all(data.join(DRAFTS)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "drafts of backups stay until the next start");
        }
        _ => {}
    }
}

/// Makes a backup. The copy of the database is complete when this returns; the rest is read as it goes out.
pub(crate) async fn pack(packing: Packing, wish: ToPack, alone: Alone) -> Result<Backup> {
    let draft = Draft::make(&packing)?;
    let copy = draft.0.join("mirage.db");
    point("backup/draft")?;
    // The database first: what it names in the registry is there still when the registry is looked at.
    let facts = packing.store.copy_to(&copy).await?;
    point("backup/copied")?;
    let key = facts.key.clone();
    let ready = spawn_blocking(move || Ready::make(packing, &wish, facts, draft)).await;
    let ready = ready.map_err(|error| Error::internal("make a backup", error))??;
    point("backup/ready")?;
    let bytes = written_by(PATIENCE, move |sink| {
        let _alone = alone;
        ready.write(sink).map_err(failed)
    });
    Ok(Backup { key, bytes })
}

/// A folder for one backup, which goes with it.
struct Draft(PathBuf);

impl Draft {
    fn make(packing: &Packing) -> Result<Self> {
        let folder = packing.data.join(DRAFTS).join(hex(&packing.random.bytes16()));
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        Ok(Self(folder))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "the draft of a backup stays until the next start");
        }
    }
}

/// Everything is known; nothing but reading and writing is left.
struct Ready {
    head: Head,
    listing: Listing,
    content: ContentStore,
    draft: Draft,
    _held: Hold,
}

impl Ready {
    fn make(packing: Packing, wish: &ToPack, facts: CopyFacts, draft: Draft) -> Result<Self> {
        let Packing { content, repositories, images, mut registry_hosts, clock, .. } = packing;
        let parts = images.parts(&wish.images)?;
        if !wish.images.is_empty() && content.format() != mirage_oci::content::LayerFormat::Erofs {
            return Err(Error::new(
                Code::TargetUnavailable,
                "layers are folders on this machine, which a backup cannot hold",
            )
            .hint("leave `--images` away: images of other registries are then pulled again"));
        }
        let repositories = repositories.snapshot()?;
        let blobs: Vec<Digest> = {
            let mut all = repositories.content();
            all.extend(parts.blobs);
            all.into_iter().collect()
        };
        let mut layers: Vec<Digest> = parts.layers.into_iter().collect();
        layers.sort_unstable();
        let held = content.hold(blobs.iter().chain(&layers).cloned());
        let blobs = blobs.into_iter().filter(|blob| content.has_blob(blob)).collect();
        let layers = layers.into_iter().filter(|layer| content.layer_as_file(layer).is_some()).collect();
        registry_hosts.sort_unstable();
        let head = Head {
            format: FORMAT,
            mirage: VERSION.to_owned(),
            schema: facts.schema,
            time: clock.now(),
            key: facts.key,
            images: !wish.images.is_empty(),
            registry_hosts,
            database_bytes: compress(&draft.0)?,
        };
        Ok(Self { head, listing: Listing { repositories, blobs, layers }, content, draft, _held: held })
    }

    fn write(self, sink: Sink) -> io::Result<()> {
        let mut archive = Archive::new(sink);
        archive.text(HEAD, &self.head)?;
        point_io("backup/leave")?;
        archive.file(DATABASE, &self.draft.0.join(DATABASE))?;
        archive.text(LISTING, &self.listing)?;
        for blob in &self.listing.blobs {
            archive.file(&entry_of("blobs", blob), &self.content.blob_path(blob))?;
        }
        for layer in &self.listing.layers {
            let file = self.content.layer_as_file(layer).ok_or(io::ErrorKind::NotFound)?;
            archive.file(&entry_of("layers", layer), &file)?;
        }
        archive.finish()
    }
}

/// Compresses the copy in its folder, and answers with the size that it had.
fn compress(folder: &Path) -> Result<u64> {
    let done = || {
        let mut copy = File::open(folder.join("mirage.db"))?;
        let mut encoder = zstd::Encoder::new(File::create_new(folder.join(DATABASE))?, LEVEL)?;
        let bytes = io::copy(&mut copy, &mut encoder)?;
        encoder.finish()?;
        fs::remove_file(folder.join("mirage.db"))?;
        Ok(bytes)
    };
    done().map_err(failed)
}

/// An archive in the making, which remembers what went into it.
struct Archive<W: Write> {
    tar: ::tar::Builder<W>,
    contents: Contents,
}

impl<W: Write> Archive<W> {
    fn new(out: W) -> Self {
        Self { tar: ::tar::Builder::new(out), contents: Contents::default() }
    }

    fn text(&mut self, name: &str, value: &impl serde::Serialize) -> io::Result<()> {
        let text = serde_json::to_vec(value)?;
        self.entry(name, text.len() as u64, text.as_slice())
    }

    fn file(&mut self, name: &str, path: &Path) -> io::Result<()> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        self.entry(name, bytes, file)
    }

    fn entry(&mut self, name: &str, bytes: u64, content: impl Read) -> io::Result<()> {
        let mut header = ::tar::Header::new_ustar();
        header.set_entry_type(::tar::EntryType::Regular);
        header.set_size(bytes);
        header.set_mode(0o600);
        let mut hashing = Hashing { inner: content.take(bytes), context: Context::new(&SHA256), seen: 0 };
        self.tar.append_data(&mut header, name, &mut hashing)?;
        if hashing.seen != bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let sha256 = hex(hashing.context.finish().as_ref());
        self.contents.parts.push(Part { name: name.to_owned(), bytes, sha256 });
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        let contents = std::mem::take(&mut self.contents);
        self.text(CONTENTS, &contents)?;
        self.tar.into_inner()?.flush()
    }
}

struct Hashing<R> {
    inner: R,
    context: Context,
    seen: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.context.update(&buffer[..count]);
        self.seen += count as u64;
        Ok(count)
    }
}

fn failed(cause: io::Error) -> Error {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::new(Code::DiskFull, "there is no room for a copy of the database")
                .hint("free some space in the data folder, then ask again")
                .because(cause)
        }
        io::ErrorKind::TimedOut => {
            Error::new(Code::DeadlineExceeded, "the backup is broken off: what there was of it was not read")
                .hint("ask again, and read it without long pauses")
        }
        _ => Error::internal("make a backup", cause),
    }
}
