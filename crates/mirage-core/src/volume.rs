//! Volumes: data that outlives the instances, the deployments, and the service that wrote it.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};
use crate::id::{EnvironmentId, ServiceId, VolumeId};
use crate::name::Name;

/// The most volumes of a service.
const MAX_VOLUMES: usize = 16;

/// The longest path of a mount, in bytes.
const MAX_PATH: usize = 255;

/// Folders that a running container gets from the kernel: nothing is mounted in them, or over them.
const KERNEL_FOLDERS: [&str; 3] = ["/proc", "/sys", "/dev"];

/// Where the platform puts files of its own, so that a volume may be below it but not be it.
const OWN_FOLDER: &str = "/etc";

/// How long a volume that was removed can be taken back.
const KEPT_AFTER_REMOVAL: SignedDuration = SignedDuration::from_hours(48);

/// The name of a volume, unique among those of its environment that were not removed.
pub type VolumeName = Name;

/// A folder that outlives whoever writes to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Identity; the data lies under it, whatever the name.
    pub id: VolumeId,
    /// The environment whose services may mount it.
    pub environment: EnvironmentId,
    /// See [`VolumeName`].
    pub name: VolumeName,
    /// The service it belongs to; `None` until a service names it, and after that service was removed.
    pub service: Option<ServiceId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was removed, if it was.
    pub removed_at: Option<Timestamp>,
}

impl Volume {
    /// When the data of a volume that was removed is deleted for good.
    pub fn purged_at(&self) -> Option<Timestamp> {
        self.removed_at.map(|at| at.saturating_add(KEPT_AFTER_REMOVAL).unwrap_or(Timestamp::MAX))
    }

    /// Whether it can be taken back: it was removed, and its time is not over.
    pub fn can_be_restored(&self, now: Timestamp) -> bool {
        self.purged_at().is_some_and(|at| now < at)
    }

    /// The latest removal whose time is over by now.
    pub fn purged_before(now: Timestamp) -> Timestamp {
        now.saturating_sub(KEPT_AFTER_REMOVAL).unwrap_or(Timestamp::MIN)
    }
}

/// Where a service has a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeMount {
    /// The volume, made when a service first names it.
    pub volume: VolumeName,
    /// Where its processes find it.
    pub path: MountPath,
}

/// A path in a container at which a volume can be: absolute, clean, none of the kernel's own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MountPath(String);

impl MountPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether what an image writes to this path of its own stays.
    pub(crate) fn keeps(&self, path: &str) -> bool {
        path.parse::<Self>().is_ok_and(|path| self.holds(&path))
    }

    /// Whether the other one is in this one, or the same.
    fn holds(&self, other: &Self) -> bool {
        is_in(&other.0, &self.0)
    }
}

impl FromStr for MountPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match check(text) {
            Ok(path) => Ok(Self(path)),
            Err(why) => {
                Err(Error::new(Code::InvalidRequest, format!("`{text}` is no path for a volume: {why}"))
                    .hint("a path looks like `/var/lib/postgresql/data`"))
            }
        }
    }
}

impl TryFrom<String> for MountPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.message().to_owned())
    }
}

impl From<MountPath> for String {
    fn from(path: MountPath) -> Self {
        path.0
    }
}

impl fmt::Display for MountPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MountPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

/// Refuses mounts that contradict each other, and more than one instance of a service that has any: a
/// volume has one writer.
///
/// # Errors
/// `INVALID_REQUEST`, with the field at fault.
pub fn check_mounts(mounts: &[VolumeMount], replicas: u32) -> Result<()> {
    let refuse = |message: String, hint: &str| {
        Err(Error::new(Code::InvalidRequest, message).field("volumes").hint(hint))
    };
    if mounts.len() > MAX_VOLUMES {
        return refuse(
            format!("{} volumes are too many, at most {MAX_VOLUMES} are possible", mounts.len()),
            "put several folders into one volume",
        );
    }
    for (at, mount) in mounts.iter().enumerate() {
        for other in &mounts[..at] {
            if mount.volume == other.volume {
                return refuse(
                    format!("the volume `{}` is listed twice", mount.volume),
                    "list each volume once",
                );
            }
            if mount.path.holds(&other.path) || other.path.holds(&mount.path) {
                return refuse(
                    format!("`{}` and `{}` are in each other's way", other.path, mount.path),
                    "give each volume a path that is in no other's",
                );
            }
        }
    }
    match mounts.first() {
        Some(mount) if replicas > 1 => Err(Error::new(
            Code::InvalidRequest,
            format!(
                "`replicas` is {replicas}, but a volume has one writer and the service has `{}`",
                mount.volume
            ),
        )
        .field("replicas")
        .hint("ask for one instance, or take the volumes away")),
        _ => Ok(()),
    }
}

/// The path without what means nothing, or what is wrong with it.
fn check(text: &str) -> Result<String, String> {
    if text.len() > MAX_PATH {
        return Err(format!("it has {} bytes, at most {MAX_PATH} are allowed", text.len()));
    }
    if !text.starts_with('/') {
        return Err("it does not begin with `/`".into());
    }
    if text.contains(char::is_control) {
        return Err("it contains a control character".into());
    }
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return Err("it contains `.` or `..`".into());
    }
    if parts.is_empty() {
        return Err("it is the whole container".into());
    }
    let path = format!("/{}", parts.join("/"));
    if let Some(folder) = reserved(&path) {
        return Err(format!("`{folder}` belongs to the platform"));
    }
    Ok(path)
}

/// The folder of the kernel or the platform that a clean path would hide, if any. What an image's links lead
/// to has to be asked about again.
pub fn reserved(path: &str) -> Option<&'static str> {
    let kernel = KERNEL_FOLDERS.into_iter().find(|folder| is_in(path, folder));
    kernel.or_else(|| {
        let own = ["/etc/resolv.conf", "/etc/hosts", "/etc/hostname"].iter().any(|file| is_in(path, file));
        (own || path == OWN_FOLDER).then_some(OWN_FOLDER)
    })
}

/// Whether a clean path is the folder or in it.
fn is_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests;
