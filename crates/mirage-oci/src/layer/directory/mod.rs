//! A layer as a folder, where EROFS cannot be mounted.
//!
//! Files are first written under numbers into `data`; when the tree is complete, folders are made
//! and the files moved to their places. So the kernel sees each name once, in folders that were just
//! made and that nobody else can enter, and nothing in them is ever followed or replaced.

mod node;
mod place;
#[cfg(test)]
mod tests;
pub(super) mod xattr;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use place::Placer;

use super::error::LayerError;
use super::summary::LayerSummary;
use super::tree::Tree;
use super::unpack::LayerWriter;

/// Writes a folder.
pub(super) struct DirectoryWriter {
    folder: PathBuf,
    count: u64,
    current: Option<(File, u64)>,
}

impl DirectoryWriter {
    /// Into `folder`, which is empty.
    pub(super) fn new(folder: &Path) -> Result<Self, LayerError> {
        DirBuilder::new().mode(0o700).create(folder.join("data")).map_err(LayerError::Write)?;
        Ok(Self { folder: folder.to_owned(), count: 0, current: None })
    }
}

impl LayerWriter for DirectoryWriter {
    fn begin_file(&mut self, size: u64) -> Result<u64, LayerError> {
        let place = self.count;
        self.count += 1;
        let path = self.folder.join("data").join(place.to_string());
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        self.current = Some((file.map_err(LayerError::Write)?, size));
        Ok(place)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), LayerError> {
        match &self.current {
            Some((file, _)) => file.write_all_at(bytes, offset).map_err(LayerError::Write),
            None => Ok(()),
        }
    }

    fn end_file(&mut self) -> Result<(), LayerError> {
        match self.current.take() {
            // A hole at the end is nothing that was written.
            Some((file, size)) => file.set_len(size).map_err(LayerError::Write),
            None => Ok(()),
        }
    }

    fn finish(self, tree: &Tree, summary: &mut LayerSummary) -> Result<(), LayerError> {
        let data = self.folder.join("data");
        Placer::new(&tree.listing(), &data, self.count, summary).place(&self.folder.join("root"))?;
        // What is left are files whose names were taken by later entries.
        fs::remove_dir_all(&data).map_err(LayerError::Write)
    }
}
