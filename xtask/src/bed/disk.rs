//! A small disk, to be filled.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::process::run;

/// An ext4 of its own, mounted at `<folder>/data`. Dropping it unmounts it.
pub(super) struct Disk {
    at: PathBuf,
}

impl Disk {
    /// Makes and mounts one with so many MiB.
    pub(super) fn make(folder: &Path, mib: u64) -> Result<Self> {
        let (image, at) = (folder.join("disk"), folder.join("data"));
        File::create(&image)?.set_len(mib << 20)?;
        std::fs::create_dir(&at)?;
        let (image, at_text) = (image.to_string_lossy(), at.to_string_lossy());
        run("mkfs.ext4", &["-q", "-m", "0", &image])?;
        run("mount", &["-o", "loop", &image, &at_text])?;
        Ok(Self { at: at.clone() })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whatever still holds it is reported as left behind by the platform.
        run("umount", &["--lazy", &self.at.to_string_lossy()]).ok();
    }
}
