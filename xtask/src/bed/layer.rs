//! Layers: what is in them, and how they become tar archives.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tar::{Builder, EntryType, Header};

/// How the bytes of a layer are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, level 6.
    #[default]
    Gzip,
    /// zstd, level 3.
    Zstd,
}

/// A layer that is being put together. Later entries of the same path win, as in any tar archive.
#[derive(Clone, Default)]
pub struct Layer {
    entries: Vec<Entry>,
    pub(super) compression: Compression,
}

#[derive(Clone)]
struct Entry {
    path: String,
    mode: u32,
    owner: u64,
    content: Content,
}

#[derive(Clone)]
enum Content {
    Directory,
    Bytes(Vec<u8>),
    CopyOf(PathBuf),
    Symlink(PathBuf),
}

impl Layer {
    /// A layer without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says how it is packed when its image is written; gzip where nobody says.
    #[must_use]
    pub fn packed(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Adds a file with these permission bits, owned by root.
    #[must_use]
    pub fn file(self, path: &str, mode: u32, content: impl Into<Vec<u8>>) -> Self {
        self.with(path, mode, Content::Bytes(content.into()))
    }

    /// Adds a directory.
    #[must_use]
    pub fn directory(self, path: &str, mode: u32) -> Self {
        self.with(path, mode, Content::Directory)
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: impl Into<PathBuf>) -> Self {
        self.with(path, 0o777, Content::Symlink(target.into()))
    }

    /// Adds a copy of a file of this machine.
    #[must_use]
    pub fn copy(self, path: &str, mode: u32, from: impl Into<PathBuf>) -> Self {
        self.with(path, mode, Content::CopyOf(from.into()))
    }

    /// Removes a path of the layers below.
    #[must_use]
    pub fn whiteout(self, path: &str) -> Self {
        let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
        let marker = if folder.is_empty() { format!(".wh.{name}") } else { format!("{folder}/.wh.{name}") };
        self.file(&marker, 0o644, [])
    }

    /// Hides what the layers below have in a directory.
    #[must_use]
    pub fn opaque(self, directory: &str) -> Self {
        self.file(&format!("{directory}/.wh..wh..opq"), 0o644, [])
    }

    /// Gives the entry added last to a user, and to the group of the same number.
    #[must_use]
    pub fn owned_by(mut self, owner: u64) -> Self {
        if let Some(last) = self.entries.last_mut() {
            last.owner = owner;
        }
        self
    }

    /// Adds what stands below a directory of this machine, up to about `most` bytes of files; other
    /// kinds than directories, files and symbolic links are left out. In order of names, so that two
    /// calls agree.
    ///
    /// # Errors
    /// Where the directory cannot be read.
    pub fn tree(&mut self, path: &str, from: &Path, most: u64) -> Result<u64> {
        let mut names: Vec<_> = std::fs::read_dir(from)
            .with_context(|| format!("{} cannot be read", from.display()))?
            .collect::<Result<_, _>>()?;
        names.sort_by_key(std::fs::DirEntry::file_name);
        self.push(path, 0o755, Content::Directory);
        let mut bytes = 0;
        for entry in names {
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            let inside = format!("{path}/{name}");
            let metadata = entry.metadata()?;
            let kind = metadata.file_type();
            if kind.is_dir() {
                bytes += self.tree(&inside, &entry.path(), most.saturating_sub(bytes))?;
            } else if kind.is_symlink() {
                self.push(&inside, 0o777, Content::Symlink(std::fs::read_link(entry.path())?));
            } else if kind.is_file() && bytes + metadata.size() <= most {
                self.push(&inside, metadata.mode() & 0o7777, Content::CopyOf(entry.path()));
                bytes += metadata.size();
            }
        }
        Ok(bytes)
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Writes the tar archive, uncompressed.
    pub(super) fn write(&self, into: impl Write) -> Result<()> {
        let mut tar = Builder::new(into);
        for entry in &self.entries {
            entry.append(&mut tar).with_context(|| format!("`{}` cannot be added", entry.path))?;
        }
        tar.into_inner()?.flush()?;
        Ok(())
    }

    fn with(mut self, path: &str, mode: u32, content: Content) -> Self {
        self.push(path, mode, content);
        self
    }

    fn push(&mut self, path: &str, mode: u32, content: Content) {
        self.entries.push(Entry { path: path.to_owned(), mode, owner: 0, content });
    }
}

impl Entry {
    fn append<W: Write>(&self, tar: &mut Builder<W>) -> Result<()> {
        let mut header = Header::new_gnu();
        header.set_mode(self.mode);
        header.set_uid(self.owner);
        header.set_gid(self.owner);
        header.set_mtime(1_700_000_000);
        header.set_size(0);
        match &self.content {
            Content::Directory => {
                header.set_entry_type(EntryType::Directory);
                tar.append_data(&mut header, format!("{}/", self.path), std::io::empty())?;
            }
            Content::Bytes(bytes) => {
                header.set_size(bytes.len() as u64);
                tar.append_data(&mut header, &self.path, bytes.as_slice())?;
            }
            Content::CopyOf(from) => {
                let file = std::fs::File::open(from).with_context(|| from.display().to_string())?;
                header.set_size(file.metadata()?.len());
                tar.append_data(&mut header, &self.path, file)?;
            }
            Content::Symlink(target) => {
                header.set_entry_type(EntryType::Symlink);
                tar.append_link(&mut header, &self.path, target)?;
            }
        }
        Ok(())
    }
}
