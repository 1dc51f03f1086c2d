//! Volumes of a container, in the launcher: filled where they are new, and where they go.

use std::io;
use std::path::{Path, PathBuf};

use super::spec::{BoundVolume, ShimSpec};
use crate::rootfs::{ContainerUser, Inside};
use crate::volume::{Held, Place, fill};

/// Keeps the volumes from being replaced or deleted until the answer is dropped.
///
/// # Errors
/// A sentence in the error: which one cannot be had.
pub(super) fn hold(spec: &ShimSpec) -> io::Result<Vec<Held>> {
    let hold = |volume: &BoundVolume| {
        Place::new(&volume.folder).hold().map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => {
                let message =
                    format!("the data of the volume at `{}` is being replaced", volume.target.display());
                io::Error::new(io::ErrorKind::WouldBlock, message)
            }
            _ => error,
        })
    };
    spec.volumes.iter().map(hold).collect()
}

/// Fills the volumes that are new, and makes the folders over which they are mounted. Answers with the
/// volumes where they really go, after the image's links.
///
/// # Errors
/// A sentence for the user: which volume cannot be mounted and why.
pub(super) fn prepare(
    inside: &Inside,
    spec: &ShimSpec,
    user: &ContainerUser,
    working_directory: &Path,
) -> Result<Vec<BoundVolume>, String> {
    let mut placed: Vec<BoundVolume> = Vec::new();
    for volume in &spec.volumes {
        let name = volume.target.display();
        let target = place(inside, volume, user)
            .map_err(|error| format!("the volume at `{name}` cannot be prepared: {error}"))?;
        let folder = target.to_string_lossy();
        if target == Path::new("/") || mirage_core::reserved_path(&folder).is_some() {
            return Err(format!(
                "the image's links lead the volume at `{name}` to `{folder}`, where none can be"
            ));
        }
        if let Some(other) =
            placed.iter().find(|other| target.starts_with(&other.target) || other.target.starts_with(&target))
        {
            let other = other.target.display();
            return Err(format!(
                "the image's links lead the volume at `{name}` to `{folder}`, and another to `{other}`"
            ));
        }
        // The one of the image is hidden.
        if let Ok(rest) = working_directory.strip_prefix(&volume.target) {
            Inside::open(&Place::new(&volume.folder).data())
                .and_then(|data| data.make_directories(rest))
                .map_err(|error| {
                    format!("the working directory in the volume at `{name}` cannot be made: {error}")
                })?;
        }
        placed.push(BoundVolume { target, ..volume.clone() });
    }
    Ok(placed)
}

fn place(inside: &Inside, volume: &BoundVolume, user: &ContainerUser) -> io::Result<PathBuf> {
    let found = match inside.open_directory(&volume.target) {
        Ok((folder, _)) => Some(folder),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    fill(&Place::new(&volume.folder), found.as_ref(), (user.uid, user.gid))?;
    inside.make_directories(&volume.target)?;
    Ok(inside.open_directory(&volume.target)?.1)
}
