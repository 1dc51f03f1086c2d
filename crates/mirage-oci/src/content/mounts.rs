//! Which layers are mounted where. A mount outlives the process, so the next one takes it over.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use mirage_core::fault::point_io;
use mirage_core::{Code, Digest, DigestAlgorithm, Error, Result};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::collect::digest_of_name;
use super::loop_device::LoopDevice;
use super::store::disk_error;

/// How the kernel reads an EROFS file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    /// Straight from the file (Linux 6.12 and later).
    File,
    /// Through a loop device.
    Loop,
}

/// The mounts of this store's layers.
pub(super) struct Mounts {
    folder: PathBuf,
    carrier: Carrier,
    points: HashMap<Digest, PathBuf>,
}

impl Mounts {
    /// Takes over what is mounted below `folder` from files below `layers`; unmounts anything else
    /// there.
    pub(super) fn adopt(folder: &Path, layers: &Path, carrier: Carrier) -> io::Result<Self> {
        let mut points = HashMap::new();
        for (point, source) in mounted_below(folder)? {
            match layer_of(&source, layers) {
                Some(digest) if !points.contains_key(&digest) => {
                    points.insert(digest, point);
                }
                _ => detach(&point)?,
            }
        }
        let mounts = Self { folder: folder.to_owned(), carrier, points };
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if !mounts.points.values().any(|point| *point == path) {
                fs::remove_dir(&path)?;
            }
        }
        Ok(mounts)
    }

    /// Where the layer is mounted, after mounting it if it is not.
    pub(super) fn mount(&mut self, digest: &Digest, image: &Path) -> Result<PathBuf> {
        if let Some(point) = self.points.get(digest) {
            return Ok(point.clone());
        }
        let point = self.free_point(digest);
        fs::create_dir(&point).map_err(|cause| disk_error("make the folder", &point, cause))?;
        let mounted = point_io("layer/mount").and_then(|()| mount_image(self.carrier, image, &point));
        if let Err(cause) = mounted {
            let _ = fs::remove_dir(&point);
            return Err(Error::new(
                Code::TargetUnavailable,
                format!("the kernel does not mount layer `{digest}`"),
            )
            .hint("`mirage doctor` shows how layers are kept on this machine")
            .because(cause));
        }
        self.points.insert(digest.clone(), point.clone());
        mirage_core::fault::point("layer/mounted")?;
        Ok(point)
    }

    /// Unmounts the layer if it is mounted. Where somebody is using it, it disappears from here at
    /// once and ends with its last user.
    pub(super) fn unmount(&mut self, digest: &Digest) -> Result<()> {
        let Some(point) = self.points.get(digest).cloned() else { return Ok(()) };
        detach(&point)
            .and_then(|()| point_io("layer/unmounted"))
            .and_then(|()| fs::remove_dir(&point))
            .map_err(|cause| disk_error("unmount", &point, cause))?;
        self.points.remove(digest);
        Ok(())
    }

    pub(super) fn mounted(&self) -> Vec<Digest> {
        self.points.keys().cloned().collect()
    }

    /// Sixteen digits are enough, unless somebody searched for two layers that share them.
    fn free_point(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let names = [&hex[..16], &hex[..32], hex];
        let free = names.map(|name| self.folder.join(name)).into_iter().find(|point| !point.exists());
        free.unwrap_or_else(|| self.folder.join(hex))
    }
}

/// Mounts the EROFS file `image` read-only at `point`.
pub(super) fn mount_image(carrier: Carrier, image: &Path, point: &Path) -> io::Result<()> {
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
    match carrier {
        Carrier::File => mount(Some(image), point, Some("erofs"), flags, None::<&str>)?,
        Carrier::Loop => {
            // The device frees itself with its last user: this handle, then the mount.
            let device = LoopDevice::attach(image)?;
            mount(Some(device.path()), point, Some("erofs"), flags, None::<&str>)?;
        }
    }
    Ok(())
}

/// Unmounts `point`, at once if possible, otherwise as soon as nobody uses it.
pub(super) fn detach(point: &Path) -> io::Result<()> {
    match umount2(point, MntFlags::UMOUNT_NOFOLLOW) {
        Err(Errno::EBUSY) => umount2(point, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW)?,
        // Not mounted: unmounted by hand.
        Err(Errno::EINVAL) | Ok(()) => {}
        Err(errno) => return Err(errno.into()),
    }
    Ok(())
}

/// Mount points right below `folder` and the files they come from (`proc_pid_mountinfo(5)`).
fn mounted_below(folder: &Path) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let table = fs::read("/proc/self/mountinfo")?;
    let mut found = Vec::new();
    for line in table.split(|&byte| byte == b'\n') {
        let fields: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
        let Some(separator) = fields.iter().position(|field| *field == b"-") else { continue };
        let (Some(point), Some(source)) = (fields.get(4), fields.get(separator + 2)) else { continue };
        let point = unescape(point);
        if point.parent() == Some(folder) {
            found.push((point, LoopDevice::backing_file(unescape(source))));
        }
    }
    Ok(found)
}

fn layer_of(source: &Path, layers: &Path) -> Option<Digest> {
    [DigestAlgorithm::Sha256, DigestAlgorithm::Sha512].into_iter().find_map(|algorithm| {
        let named = source.parent() == Some(&layers.join(algorithm.as_str())) && source.exists();
        named.then(|| digest_of_name(algorithm, source)).flatten()
    })
}

/// Undoes the kernel's `\040` for bytes that would break its table.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut at = 0;
    while at < field.len() {
        let digits = field.get(at + 1..at + 4).filter(|digits| {
            field[at] == b'\\' && digits[0] < b'4' && digits.iter().all(|digit| (b'0'..=b'7').contains(digit))
        });
        match digits {
            Some(digits) => {
                bytes.push(digits.iter().fold(0, |value, digit| (value << 3) | (digit - b'0')));
                at += 4;
            }
            None => {
                bytes.push(field[at]);
                at += 1;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_spaces_come_back_from_the_kernels_table() {
        assert_eq!(unescape(br"/a\040b\134c"), Path::new(r"/a b\c"));
        assert_eq!(unescape(br"/ends\04"), Path::new(r"/ends\04"));
    }
}
