//! Volumes of a container, in the launcher: filled where they are new, and where they go.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::spec::{BoundVolume, ShimSpec};
use crate::rootfs::{ContainerUser, Inside};
use crate::volume::{Held, Place, fill};

/// How long the end of an instance is waited for that has the same volume: what its shim forked may outlive a shim
/// that is killed by a moment.
const WAIT: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Keeps the volumes from being replaced or deleted, and from other instances, until the answer is dropped.
///
/// # Errors
/// A sentence in the error: which one cannot be had.
pub(super) fn hold(spec: &ShimSpec) -> io::Result<Vec<Held>> {
    let mut held = Vec::with_capacity(2 * spec.volumes.len());
    let until = Instant::now() + WAIT;
    for volume in &spec.volumes {
        let place = Place::new(&volume.folder);
        let name = volume.target.display();
        held.push(place.hold().map_err(|error| {
            taken(error, format!("the data of the volume at `{name}` is being replaced"))
        })?);
        let writer = loop {
            match place.hold_as_writer() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < until => {
                    std::thread::sleep(LOOK_EVERY);
                }
                writer => break writer,
            }
        };
        held.push(
            writer.map_err(|error| {
                taken(error, format!("another instance runs with the volume at `{name}`"))
            })?,
        );
    }
    Ok(held)
}

fn taken(error: io::Error, why: String) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::WouldBlock, why),
        _ => error,
    }
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
