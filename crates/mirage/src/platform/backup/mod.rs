//! Backups: what is in one, how it is made, and how a data folder comes of it.
//!
//! A backup is a tar archive. Its entries come in this order, so that it can be made and read in one pass:
//!
//! ```text
//! backup.json            the Head: format, versions, time, name of the vault's key
//! mirage.db.zst          the database, as SQLite copied it
//! registry.json          the Listing: what the built-in registry holds, and the digests of all that follows
//! blobs/sha256/<hex>     blobs of the content store, by digest
//! layers/sha256/<hex>    layers as files; only of images that were asked for
//! contents.json          the Contents: bytes and SHA-256 of every entry before it
//! ```
//!
//! The names are for people who look into it: what is written where is decided by the listing, never by a name.

mod pack;
mod place;
mod restore;
mod tar;

use jiff::Timestamp;
use mirage_core::{Digest, RegistryHost};
use mirage_oci::registry::RegistrySnapshot;
use serde::{Deserialize, Serialize};

pub(crate) use pack::{Packing, forget_drafts, pack};
pub(crate) use place::settle;
pub(crate) use restore::{Key, RestoreOptions, Restored, restore};

/// The format that is written, and the newest that is read.
const FORMAT: u32 = 1;
/// Version of this Mirage.
const VERSION: &str = env!("CARGO_PKG_VERSION");

const HEAD: &str = "backup.json";
const DATABASE: &str = "mirage.db.zst";
const LISTING: &str = "registry.json";
const CONTENTS: &str = "contents.json";

/// The largest head that is read, in bytes.
const MAX_HEAD: u64 = 64 << 10;
/// The largest listing and the largest list of contents that are read, in bytes: about 500,000 blobs.
const MAX_LIST: u64 = 64 << 20;

/// The setting that names the hosts under which the built-in registry was reached where the backup was made.
/// Revisions name their images with them, so they lead to this registry still.
pub(crate) const REGISTRY_HOSTS: &str = "registry.hosts";

/// What stands first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Head {
    /// The format of the archive.
    format: u32,
    /// Version of the Mirage that made it.
    mirage: String,
    /// The schema of the database.
    schema: u32,
    /// When it was begun.
    time: Timestamp,
    /// The name of the key that its secrets are sealed with.
    key: Option<String>,
    /// Whether layers of images from other registries are in it.
    images: bool,
    /// The names under which the built-in registry was reached.
    registry_hosts: Vec<RegistryHost>,
    /// The size of the database before it was compressed.
    database_bytes: u64,
}

/// What follows the database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    /// What the built-in registry holds.
    repositories: RegistrySnapshot,
    /// Blobs, in the order in which they follow.
    blobs: Vec<Digest>,
    /// Layers, in the order in which they follow.
    layers: Vec<Digest>,
}

/// What stands last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Contents {
    /// Every entry before it, in order.
    parts: Vec<Part>,
}

/// An entry of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    name: String,
    bytes: u64,
    sha256: String,
}

/// The entry that holds a blob or a layer. Long digests are cut short: the listing has them whole.
fn entry_of(kind: &str, digest: &Digest) -> String {
    let hex: String = digest.hex().chars().take(64).collect();
    format!("{kind}/{}/{hex}", digest.algorithm().as_str())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
