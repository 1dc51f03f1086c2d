//! Where the local engine keeps things.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use mirage_core::fault::point_io;
use mirage_core::{InstanceId, Result, VolumeId};

use super::{fault, sweep};

/// The engine's folders. Only root looks into them: they hold environments of processes and the
/// root file systems of others.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// Everything that need not outlive a reboot.
    pub(super) run: PathBuf,
    /// A folder for each instance, which its shim lives in.
    pub(super) instances: PathBuf,
    /// A folder for each instance with what it wrote.
    pub(super) writable: PathBuf,
    /// Logs by service, deployment and instance.
    pub(super) logs: PathBuf,
    /// A folder for each volume. Nothing here removes any.
    volumes: PathBuf,
}

impl Places {
    /// Makes the folders.
    pub(super) fn open(data: PathBuf, run: PathBuf) -> Result<Self> {
        let instances = run.join("instances");
        let places = Self {
            instances,
            writable: data.join("writable"),
            logs: data.join("logs"),
            volumes: data.join("volumes"),
            run,
        };
        for folder in [&places.run, &places.instances, &places.writable, &places.logs, &places.volumes] {
            private(folder)
                .map_err(|error| fault(&format!("make the folder `{}`", folder.display()), error))?;
        }
        Ok(places)
    }

    /// An instance's folder.
    pub(super) fn instance(&self, id: InstanceId) -> PathBuf {
        self.instances.join(id.to_string())
    }

    /// The same while it is being filled: it gets its name when it is whole.
    pub(super) fn unfinished(&self, id: InstanceId) -> PathBuf {
        self.instances.join(format!(".{id}"))
    }

    /// What an instance wrote.
    pub(super) fn writable(&self, id: InstanceId) -> PathBuf {
        self.writable.join(id.to_string())
    }

    /// A volume's folder.
    pub(super) fn volume(&self, id: VolumeId) -> PathBuf {
        self.volumes.join(id.to_string())
    }

    /// The instances that have a folder. Folders that never got whole are removed.
    pub(super) fn known(&self) -> io::Result<Vec<InstanceId>> {
        let mut known = Vec::new();
        for entry in fs::read_dir(&self.instances)? {
            let entry = entry?;
            match entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                Some(id) => known.push(id),
                None => sweep::remove(&entry.path())?,
            }
        }
        Ok(known)
    }

    /// What was written by instances that are none of these is removed.
    pub(super) fn forget_others(&self, known: &[InstanceId]) -> io::Result<()> {
        for entry in fs::read_dir(&self.writable)? {
            let entry = entry?;
            let id = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if id.is_none_or(|id| !known.contains(&id)) {
                sweep::remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Removes an instance's folders, that by which it is known last.
    pub(super) fn remove(&self, id: InstanceId) -> io::Result<()> {
        sweep::remove(&self.writable(id))?;
        sweep::remove(&self.unfinished(id))?;
        point_io("instance/written")?;
        sweep::remove(&self.instance(id))
    }

    /// Removes the folders themselves, but neither the logs nor the volumes.
    pub(super) fn close(&self) -> io::Result<()> {
        sweep::remove(&self.instances).and(sweep::remove(&self.writable))
    }
}

/// Makes a folder that its owner alone may enter, and those above it.
pub(super) fn private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
