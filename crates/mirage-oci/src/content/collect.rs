//! Removal of what nothing refers to.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use mirage_core::fault::point;
use mirage_core::{Digest, DigestAlgorithm, Result};

use super::store::{ContentStore, disk_error};
use super::temporary::remove_tree;

impl ContentStore {
    /// Removes every blob and layer that is neither named here nor held, and answers with the bytes
    /// of disk given back. Age plays no part.
    ///
    /// An EROFS layer is unmounted first; an overlay that still uses it keeps it alive until the
    /// overlay goes. A layer kept as a folder has no such protection: name those that run.
    pub fn collect(&self, keep_blobs: &HashSet<Digest>, keep_layers: &HashSet<Digest>) -> Result<u64> {
        let mut freed = 0;
        for (digest, path) in self.entries("blobs")? {
            if !keep_blobs.contains(&digest) && !self.inner.holds.has(&digest) {
                freed += self.discard(&path)?;
            }
        }
        for (digest, path) in self.entries("layers")? {
            // Nothing is mounted or committed meanwhile; taken for each layer so that starts wait little.
            let mut mounts = self.mounts();
            if !keep_layers.contains(&digest) && !self.inner.holds.has(&digest) {
                mounts.unmount(&digest)?;
                freed += self.discard(&path)?;
            }
        }
        Ok(freed)
    }

    /// Unmounts every layer that is not named here. The files stay; containers that use a layer
    /// keep it until they end.
    pub fn unmount_unused(&self, keep: &HashSet<Digest>) -> Result<()> {
        let mut mounts = self.mounts();
        for digest in mounts.mounted() {
            if !keep.contains(&digest) {
                mounts.unmount(&digest)?;
            }
        }
        Ok(())
    }

    /// Unmounts every layer.
    pub fn unmount_all(&self) -> Result<()> {
        self.unmount_unused(&HashSet::new())
    }

    fn entries(&self, kind: &str) -> Result<Vec<(Digest, PathBuf)>> {
        let mut found = Vec::new();
        for algorithm in [DigestAlgorithm::Sha256, DigestAlgorithm::Sha512] {
            let folder = self.root().join(kind).join(algorithm.as_str());
            let entries = fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
            for entry in entries.map_err(|cause| disk_error("read", &folder, cause))? {
                let path = entry.path();
                match digest_of_name(algorithm, &path) {
                    Some(digest) => found.push((digest, path)),
                    None => tracing::warn!(path = %path.display(), "content: not one of ours, left alone"),
                }
            }
        }
        Ok(found)
    }

    /// Takes the name away at once, then the bytes, so that a crash leaves no half of a layer.
    fn discard(&self, path: &Path) -> Result<u64> {
        let size = disk_usage(path).map_err(|cause| disk_error("measure", path, cause))?;
        let place = self.temporary();
        point("content/discard")?;
        fs::rename(path, place.path()).map_err(|cause| disk_error("remove", path, cause))?;
        point("content/discarded")?;
        remove_tree(place.path()).map_err(|cause| disk_error("remove", place.path(), cause))?;
        Ok(size)
    }
}

/// The digest that a file `<hex>` or `<hex>.erofs` is named after.
pub(super) fn digest_of_name(algorithm: DigestAlgorithm, path: &Path) -> Option<Digest> {
    let name = path.file_name()?.to_str()?;
    let hex = name.strip_suffix(".erofs").unwrap_or(name);
    format!("{}:{hex}", algorithm.as_str()).parse().ok()
}

fn disk_usage(path: &Path) -> io::Result<u64> {
    let metadata = fs::symlink_metadata(path)?;
    let mut total = metadata.blocks() * 512;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            total += disk_usage(&entry?.path())?;
        }
    }
    Ok(total)
}
