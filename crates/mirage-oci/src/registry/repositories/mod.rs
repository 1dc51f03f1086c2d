//! Which repositories there are, and what is in each: small files, so that a push is visible or
//! not, and a look with `ls` shows what the registry knows.
//!
//! ```text
//! repositories/acme/web/_tags/1.2                     the digest the tag means
//!                      /_manifests/sha256/<hex>       the manifest's media type
//!                      /_blobs/sha256/<hex>           empty: this repository may read the blob
//!                      /_referrers/sha256/<hex>/sha256-<hex>   empty: subject / who refers to it
//! ```
//!
//! A part of a repository name never starts with an underscore, so these folders cannot meet one.
//! The bytes themselves are in the content store, shared by all repositories; a blob is readable
//! through a repository only where that one has its link.

mod files;
mod names;
mod references;
mod removal;
mod snapshot;
mod walk;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use mirage_core::{Digest, Error, Repository, Result, Tag};

use files::Files;
use names::Names;
pub use references::References;
pub(in crate::registry) use removal::Bonds;
pub use snapshot::{RegistrySnapshot, RepositorySnapshot};

/// The repositories of the built-in registry. Cheap to clone; its methods read and write small
/// files, so call them from a thread that may block.
#[derive(Clone)]
pub struct Repositories {
    files: Arc<Files>,
    changes: Arc<RwLock<()>>,
    names: Arc<Names>,
}

impl Repositories {
    /// Opens the folder `repositories` below the root of the content store, and creates it first
    /// where it is absent. The content store's lock guards it too: one owner at a time.
    pub fn open(content_root: &Path) -> Result<Self> {
        let files = Files::open(content_root.join("repositories"))
            .map_err(|cause| Error::internal("open the folder of the built-in registry", cause))?;
        Ok(Self { files: Arc::new(files), changes: Arc::default(), names: Arc::default() })
    }

    /// The names of all repositories that hold a manifest, in byte order.
    pub fn list(&self) -> Result<Vec<Repository>> {
        self.names_after(None, usize::MAX)
    }

    /// Those of them that follow `after`, at most `limit`.
    pub fn names_after(&self, after: Option<&Repository>, limit: usize) -> Result<Vec<Repository>> {
        self.names.after(after, limit, || walk::repositories(self.files.root()).map_err(unreadable))
    }

    /// The manifests and indexes of a repository, in byte order.
    pub fn manifests(&self, repository: &Repository) -> Result<Vec<Digest>> {
        walk::digests(&self.home(repository).join(MANIFESTS)).map_err(unreadable)
    }

    /// The tags of a repository in byte order, or nothing where there is no such repository.
    pub fn tags(&self, repository: &Repository) -> Result<Option<Vec<Tag>>> {
        let home = self.home(repository);
        if !home.join(MANIFESTS).is_dir() && !home.join(BLOBS).is_dir() {
            return Ok(None);
        }
        walk::tags(&home.join(TAGS)).map(Some).map_err(unreadable)
    }

    /// What a tag means now.
    pub fn resolve(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>> {
        let text = self.files.read(&self.tag_file(repository, tag)).map_err(unreadable)?;
        text.map(|text| text.trim_end().parse()).transpose()
    }

    /// The media type of a manifest, where the repository has it.
    pub fn media_type(&self, repository: &Repository, manifest: &Digest) -> Result<Option<String>> {
        let text = self.files.read(&self.manifest_file(repository, manifest)).map_err(unreadable)?;
        Ok(text.map(|text| text.trim_end().to_owned()))
    }

    /// Whether the repository may read this blob.
    pub fn has_blob(&self, repository: &Repository, blob: &Digest) -> bool {
        self.blob_file(repository, blob).is_file()
    }

    /// The manifests whose subject is `subject`, in byte order of their digests.
    pub fn referrers(&self, repository: &Repository, subject: &Digest) -> Result<Vec<Digest>> {
        walk::referrers(&digest_path(&self.home(repository).join(REFERRERS), subject)).map_err(unreadable)
    }

    /// Held while something is checked and then added: garbage collection and removal wait.
    pub(in crate::registry) fn adding(&self) -> RwLockReadGuard<'_, ()> {
        self.changes.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held while something is removed or counted for removal: additions wait.
    pub(in crate::registry) fn removing(&self) -> RwLockWriteGuard<'_, ()> {
        self.changes.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the repository read a blob that the content store has. One that it may read already waits anew for the
    /// manifest that names it.
    pub(in crate::registry) fn link_blob(&self, repository: &Repository, blob: &Digest) -> Result<()> {
        self.files.mark(&self.blob_file(repository, blob)).map_err(unwritable)
    }

    /// Takes a blob from the repository; answers whether it was there.
    pub(in crate::registry) fn unlink_blob(&self, repository: &Repository, blob: &Digest) -> Result<bool> {
        self.files.remove(&self.blob_file(repository, blob)).map_err(unwritable)
    }

    /// Adds a manifest that the content store has, and where it has a subject, the way back from it.
    pub(in crate::registry) fn add_manifest(
        &self,
        repository: &Repository,
        manifest: &Digest,
        media_type: &str,
        subject: Option<&Digest>,
    ) -> Result<()> {
        if let Some(subject) = subject {
            self.files.mark(&self.referrer_file(repository, subject, manifest)).map_err(unwritable)?;
        }
        self.files.write(&self.manifest_file(repository, manifest), media_type).map_err(unwritable)?;
        self.names.add(repository);
        Ok(())
    }

    /// Makes a tag mean a manifest.
    pub(in crate::registry) fn set_tag(&self, repository: &Repository, tag: &Tag, to: &Digest) -> Result<()> {
        self.files.write(&self.tag_file(repository, tag), &to.to_string()).map_err(unwritable)
    }

    /// Removes a tag; the manifest stays. Answers whether the tag was there.
    pub(in crate::registry) fn remove_tag(&self, repository: &Repository, tag: &Tag) -> Result<bool> {
        self.files.remove(&self.tag_file(repository, tag)).map_err(unwritable)
    }

    /// Removes a manifest and every tag that means it; answers whether it was there.
    pub(in crate::registry) fn remove_manifest(
        &self,
        repository: &Repository,
        manifest: &Digest,
        subject: Option<&Digest>,
    ) -> Result<bool> {
        for tag in self.tags(repository)?.unwrap_or_default() {
            if self.resolve(repository, &tag)?.as_ref() == Some(manifest) {
                self.remove_tag(repository, &tag)?;
            }
        }
        let was_there = self.forget_manifest(repository, manifest, subject)?;
        self.check_name(repository)?;
        Ok(was_there)
    }

    /// Removes a manifest that no tag means; whoever has removed some says so by `check_name`.
    fn forget_manifest(
        &self,
        repository: &Repository,
        manifest: &Digest,
        subject: Option<&Digest>,
    ) -> Result<bool> {
        let was_there = self.files.remove(&self.manifest_file(repository, manifest)).map_err(unwritable)?;
        if let Some(subject) = subject {
            self.files.remove(&self.referrer_file(repository, subject, manifest)).map_err(unwritable)?;
        }
        Ok(was_there)
    }

    /// Manifests were removed.
    fn check_name(&self, repository: &Repository) -> Result<()> {
        self.names.check(repository, || Ok(!self.manifests(repository)?.is_empty()))
    }

    fn home(&self, repository: &Repository) -> PathBuf {
        self.files.root().join(repository.as_str())
    }

    fn tag_file(&self, repository: &Repository, tag: &Tag) -> PathBuf {
        self.home(repository).join(TAGS).join(tag.as_str())
    }

    fn manifest_file(&self, repository: &Repository, manifest: &Digest) -> PathBuf {
        digest_path(&self.home(repository).join(MANIFESTS), manifest)
    }

    pub(super) fn blob_file(&self, repository: &Repository, blob: &Digest) -> PathBuf {
        digest_path(&self.home(repository).join(BLOBS), blob)
    }

    fn referrer_file(&self, repository: &Repository, subject: &Digest, manifest: &Digest) -> PathBuf {
        let name = format!("{}-{}", manifest.algorithm().as_str(), manifest.hex());
        digest_path(&self.home(repository).join(REFERRERS), subject).join(name)
    }
}

const TAGS: &str = "_tags";
const MANIFESTS: &str = "_manifests";
const BLOBS: &str = "_blobs";
const REFERRERS: &str = "_referrers";

fn digest_path(folder: &Path, digest: &Digest) -> PathBuf {
    folder.join(digest.algorithm().as_str()).join(digest.hex())
}

fn unreadable(cause: std::io::Error) -> Error {
    Error::internal("read the built-in registry", cause)
}

fn unwritable(cause: std::io::Error) -> Error {
    if matches!(cause.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded) {
        return Error::new(mirage_core::Code::DiskFull, "the disk of the built-in registry is full")
            .hint("free some space in the data folder")
            .because(cause);
    }
    Error::internal("write to the built-in registry", cause)
}

#[cfg(test)]
mod tests;
