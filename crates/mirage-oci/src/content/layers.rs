//! Layers: unpacked once, kept under the digest of their compressed blob.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use mirage_core::fault::point;
use mirage_core::{Code, Digest, Error, Result};

use super::format::LayerFormat;
use super::hold::Hold;
use super::store::{ContentStore, disk_error, publish};
use super::temporary::Temporary;
use crate::layer::{self, Compression, LayerLimits, LayerSummary};

impl ContentStore {
    /// Whether a layer is here in a form that this machine can use.
    pub fn has_layer(&self, digest: &Digest) -> bool {
        self.layer_folder(digest).exists()
            || self.format() == LayerFormat::Erofs && self.layer_file(digest).exists()
    }

    /// Bytes that a layer takes on the disk; `None` where it is not here, or is a folder, which
    /// would have to be walked.
    pub fn layer_bytes(&self, digest: &Digest) -> Option<u64> {
        let file = self.layer_file(digest).metadata().ok()?;
        (self.format() == LayerFormat::Erofs).then_some(file.len())
    }

    /// Unpacks a compressed layer from `reader`, reading it to its end, and keeps it as a draft.
    ///
    /// The caller compares the digest of the bytes it handed over and then commits the draft. Blocks
    /// on reader and disk. Fails with `IMAGE_PULL_ERROR` where the bytes are no layer or the reader
    /// breaks off, with `IMAGE_TOO_LARGE` beyond `limits`, with `DISK_FULL` when it is.
    pub fn write_layer(
        &self,
        digest: &Digest,
        compression: Compression,
        reader: impl Read + Send,
        limits: &LayerLimits,
    ) -> Result<LayerDraft> {
        let hold = self.hold([digest.clone()]);
        let place = self.temporary();
        point("layer/write")?;
        let broken = |cause| disk_error("write", place.path(), cause);
        let written = match self.format() {
            LayerFormat::Erofs => {
                let file = place.make_file().map_err(broken)?;
                layer::write_erofs(reader, compression, limits, &file)
            }
            LayerFormat::Directory => {
                place.make_folder().map_err(broken)?;
                layer::write_directory(reader, compression, limits, place.path())
            }
        };
        let summary = written.map_err(|error| error.into_core(digest))?;
        point("layer/unpacked")?;
        for warning in &summary.warnings {
            tracing::warn!(%digest, "content: layer: {warning}");
        }
        let format = self.format();
        Ok(LayerDraft { store: self.clone(), digest: digest.clone(), format, place, summary, _hold: hold })
    }

    /// Where a container finds the layer's files: the mount of an EROFS layer, made if there is
    /// none, or the folder of the layer. `NOT_FOUND` where the layer is not here.
    ///
    /// The mount is `nodev` and `nosuid` for the host; neither is inherited by an overlay above it.
    pub fn mount_layer(&self, digest: &Digest) -> Result<PathBuf> {
        // Held throughout, so that a collection cannot remove the file in between.
        let mut mounts = self.mounts();
        let folder = self.layer_folder(digest);
        if folder.exists() {
            return Ok(folder.join("root"));
        }
        let file = self.layer_file(digest);
        if self.format() != LayerFormat::Erofs || !file.exists() {
            return Err(Error::new(Code::NotFound, format!("layer `{digest}` is not on this machine"))
                .hint("deploy again to pull it"));
        }
        mounts.mount(digest, &file)
    }

    pub(super) fn layer_folder(&self, digest: &Digest) -> PathBuf {
        self.place("layers", digest)
    }

    pub(super) fn layer_file(&self, digest: &Digest) -> PathBuf {
        self.place("layers", digest).with_extension("erofs")
    }
}

/// An unpacked layer that has no name yet. Dropping it removes it.
pub struct LayerDraft {
    store: ContentStore,
    digest: Digest,
    format: LayerFormat,
    place: Temporary,
    summary: LayerSummary,
    _hold: Hold,
}

impl LayerDraft {
    /// What is in the layer.
    pub fn summary(&self) -> &LayerSummary {
        &self.summary
    }

    /// Gives the layer its name; done when it is on the disk. To be called only when the bytes that
    /// were unpacked are known to have the layer's digest. Where the layer is here already, the
    /// draft is dropped.
    pub fn commit(self) -> Result<LayerSummary> {
        if !self.store.has_layer(&self.digest) {
            self.sync()?;
            // Two drafts of one layer may get here together; one of them must see the other's.
            let _one_at_a_time = self.store.mounts();
            if !self.store.has_layer(&self.digest) {
                point("layer/name")?;
                publish(self.place.path(), &self.destination())?;
                point("layer/named")?;
            }
        }
        Ok(self.summary.clone())
    }

    fn destination(&self) -> PathBuf {
        match self.format {
            LayerFormat::Erofs => self.store.layer_file(&self.digest),
            LayerFormat::Directory => self.store.layer_folder(&self.digest),
        }
    }

    fn sync(&self) -> Result<()> {
        let synced = File::open(self.place.path()).and_then(|file| match self.format {
            LayerFormat::Erofs => file.sync_all(),
            // One call for the whole file system instead of one for each of many small files.
            LayerFormat::Directory => nix::unistd::syncfs(&file).map_err(Into::into),
        });
        synced.map_err(|cause| disk_error("sync", self.place.path(), cause))
    }
}
