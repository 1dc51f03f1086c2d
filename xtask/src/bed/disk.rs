//! A small disk, to be filled.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::process::run;

/// An ext4 of its own, mounted at `<folder>/data`. Dropping it unmounts it.
pub(super) struct Disk {
    image: PathBuf,
    at: PathBuf,
    lives: u32,
}

/// Reads of the image that may differ, as something is being written still.
const MOST_READS: u32 = 100;

impl Disk {
    /// Makes and mounts one with so many MiB.
    pub(super) fn make(folder: &Path, mib: u64) -> Result<Self> {
        let (image, at) = (folder.join("disk"), folder.join("data"));
        File::create(&image)?.set_len(mib << 20)?;
        std::fs::create_dir(&at)?;
        run("mkfs.ext4", &["-q", "-m", "0", &image.to_string_lossy()])?;
        let disk = Self { image, at, lives: 0 };
        disk.mount()?;
        Ok(disk)
    }

    /// Takes what has reached the disk by now; what was written and not brought there (`fsync`) is not in it. Whoever
    /// could write is to be stopped before, as by the power going out.
    pub(super) fn reached(&self) -> Result<Vec<u8>> {
        let mut last = std::fs::read(&self.image)?;
        for _ in 0..MOST_READS {
            // Read twice alike, it is what was there at one moment between.
            let next = std::fs::read(&self.image)?;
            if next == last {
                return Ok(next);
            }
            last = next;
        }
        bail!("`{}` is written to all the time", self.image.display())
    }

    /// Begins again with a disk as it was; nobody may use the present one any more.
    pub(super) fn begin_with(&mut self, image: &[u8]) -> Result<()> {
        run("umount", &[&self.at])?;
        // Another file each time: mount namespaces of others may hold the old mount for a moment, and what is written
        // when they let go of it is not to reach this one.
        self.lives += 1;
        self.image.set_extension(self.lives.to_string());
        std::fs::write(&self.image, image)?;
        self.mount()
    }

    fn mount(&self) -> Result<()> {
        // Left to itself the file system brings everything to the disk every five seconds.
        let (image, at) = (self.image.to_string_lossy(), self.at.to_string_lossy());
        run("mount", &["-o", "loop,commit=300", &image, &at]).map(drop)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whatever still holds it is reported as left behind by the platform.
        run("umount", &["--lazy", &self.at.to_string_lossy()]).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::bed::{is_installed, skipped};

    #[test]
    fn a_power_cut_drops_what_was_not_brought_to_the_disk() {
        let test = "a power cut drops what was not brought to the disk";
        if !nix::unistd::geteuid().is_root() || !is_installed("mkfs.ext4") {
            return skipped(test, "needs root and `mkfs.ext4`");
        }
        let folder = tempfile::tempdir().unwrap();
        let mut disk = Disk::make(folder.path(), 16).unwrap();
        let file = |name: &str| File::create(disk.at.join(name)).unwrap();
        file("kept").write_all(b"kept").and_then(|()| File::open(disk.at.join("kept"))?.sync_all()).unwrap();
        file("lost").write_all(b"lost").unwrap();
        let reached = disk.reached().unwrap();
        disk.begin_with(&reached).unwrap();
        assert_eq!(std::fs::read(disk.at.join("kept")).unwrap(), b"kept");
        assert!(!disk.at.join("lost").exists());
    }
}
