//! Layers as files, on their way to another machine.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::PathBuf;

use mirage_core::{Digest, Result};

use super::format::LayerFormat;
use super::store::{ContentStore, disk_error, publish};

impl ContentStore {
    /// The file that a layer is kept as, where it is kept as one.
    pub fn layer_as_file(&self, digest: &Digest) -> Option<PathBuf> {
        let file = self.layer_file(digest);
        (self.format() == LayerFormat::Erofs && file.is_file()).then_some(file)
    }

    /// Keeps a layer that another machine kept as a file. What is in it is taken on trust: whoever calls this
    /// knows where it comes from. A machine that keeps layers as folders does not use it.
    pub fn put_layer_file(&self, digest: &Digest, mut bytes: impl Read) -> Result<u64> {
        let place = self.temporary();
        let broken = |cause| disk_error("write", place.path(), cause);
        let mut file: File = place.make_file().map_err(broken)?;
        let size = io::copy(&mut bytes, &mut file).map_err(broken)?;
        file.flush().and_then(|()| file.sync_all()).map_err(broken)?;
        publish(place.path(), &self.layer_file(digest))?;
        Ok(size)
    }
}
