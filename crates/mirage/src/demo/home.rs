//! The folder in which a demo lives, gone when it ends.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use mirage_core::{Error, Result};

use crate::platform::{Platform, PlatformOptions};

const PREFIX: &str = "mirage-demo-";

/// The folder in which the demo lives; removed with everything in it.
pub(super) struct Home(PathBuf);

impl Home {
    /// A fresh folder, named after this process.
    pub(super) fn make() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("{PREFIX}{}", std::process::id()));
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| Error::internal("make a folder for the demo", error))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Removes it, and says what stood in the way. The database goes last: with it, what is left can
    /// still be taken down.
    pub(super) fn remove(&self) -> Result<()> {
        let failed = |error| Error::internal("remove the folder of the demo", error);
        let entries = match std::fs::read_dir(&self.0) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            if entry.file_type().map_err(failed)?.is_dir() {
                std::fs::remove_dir_all(entry.path()).map_err(failed)?;
            }
        }
        std::fs::remove_dir_all(&self.0).map_err(failed)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // The end of a demo that failed; `remove` has said already what could not be removed.
        let _ = self.remove();
    }
}

/// Takes away what demos left behind that were killed before they could do it themselves.
pub(super) async fn sweep() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid =
            name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|pid| pid.parse::<u32>().ok());
        if let Some(pid) = pid
            && is_own(&entry.path())
            && !Path::new("/proc").join(pid.to_string()).exists()
        {
            take_away(entry.path()).await;
        }
    }
}

/// Whether this user made the folder. Anybody may make one of this name where temporary files are, and
/// what it says would be believed: which processes to end, what to remove.
fn is_own(path: &Path) -> bool {
    let us = nix::unistd::geteuid().as_raw();
    std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir() && meta.uid() == us)
}

async fn take_away(data: PathBuf) {
    if data.join("mirage.db").exists()
        && let Err(error) = Platform::tear_down(PlatformOptions::of_folder(data.clone())).await
    {
        tracing::warn!(?error, folder = %data.display(), "an older demo could not be taken away");
        return;
    }
    let _ = Home(data).remove();
}
