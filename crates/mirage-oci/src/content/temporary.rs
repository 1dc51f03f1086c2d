//! Things in progress: what is dropped before it is finished leaves nothing.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file or folder below `tmp` that is removed when dropped.
pub(super) struct Temporary(PathBuf);

impl Temporary {
    /// A name; nothing is made yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it a file, readable by its owner alone.
    pub(super) fn make_file(&self) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&self.0)
    }

    /// Makes it a folder, open to its owner alone.
    pub(super) fn make_folder(&self) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(&self.0)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // A finished thing has been renamed away, then there is nothing to remove.
        if let Err(error) = remove_tree(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "content: something half-made is left until the next start");
        }
    }
}

/// Removes a file or a whole folder; what is absent is removed already. Folders that their own
/// mode closes to an ordinary user are opened first.
pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if !metadata.is_dir() {
        return fs::remove_file(path);
    }
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_folders(path)?;
            fs::remove_dir_all(path)
        }
        other => other,
    }
}

fn open_folders(path: &Path) -> io::Result<()> {
    let mut pending = vec![path.to_owned()];
    while let Some(folder) = pending.pop() {
        fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                pending.push(entry.path());
            }
        }
    }
    Ok(())
}
