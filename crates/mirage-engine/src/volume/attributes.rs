//! What is kept of a file besides its content.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::AsFd;

use nix::sys::stat::{FileStat, Mode, fchmod, futimens};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown};
use rustix::fs::XattrFlags;
use rustix::io::Errno;

/// The largest value of an attribute, in bytes, as in the kernel.
pub(super) const MAX_VALUE: usize = 64 << 10;

/// The longest list of names, in bytes, as in the kernel.
const MAX_NAMES: usize = 64 << 10;

/// Owner, permissions, time and extended attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    /// Permissions, with the set-id bits and the sticky one.
    pub(super) mode: u32,
    /// User.
    pub(super) uid: u32,
    /// Group.
    pub(super) gid: u32,
    /// Last change of the content: seconds and nanoseconds.
    pub(super) modified: (i64, i64),
    /// Extended attributes that may be kept.
    pub(super) extended: Vec<(CString, Vec<u8>)>,
}

impl Attributes {
    /// Those of a file that was looked at, without the extended ones.
    pub(super) fn of(stat: &FileStat) -> Self {
        Self {
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            extended: Vec::new(),
        }
    }

    /// Adds the extended ones of an open file or folder. File systems without any are fine.
    pub(super) fn with_extended(mut self, file: impl AsFd) -> io::Result<Self> {
        let mut names = vec![0_u8; MAX_NAMES];
        let length = match rustix::fs::flistxattr(&file, &mut names[..]) {
            Ok(length) => length,
            Err(Errno::NOTSUP) => return Ok(self),
            Err(error) => return Err(error.into()),
        };
        for name in names[..length].split_inclusive(|byte| *byte == 0) {
            let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
            if !may_be_kept(name.to_bytes()) {
                continue;
            }
            let mut value = vec![0_u8; MAX_VALUE];
            match rustix::fs::fgetxattr(&file, name, &mut value[..]) {
                Ok(length) => value.truncate(length),
                Err(Errno::NODATA) => continue,
                Err(error) => return Err(error.into()),
            }
            self.extended.push((name.to_owned(), value));
        }
        Ok(self)
    }

    /// Gives them to an open file or folder. Owner first: the kernel takes set-id bits away with it.
    pub(super) fn apply(&self, file: impl AsFd) -> io::Result<()> {
        fchown(&file, Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)))?;
        fchmod(&file, Mode::from_bits_truncate(self.mode))?;
        for (name, value) in &self.extended {
            match rustix::fs::fsetxattr(&file, name.as_c_str(), value, XattrFlags::empty()) {
                // What the file system has no place for was of no effect where it came from, or is there.
                Ok(()) | Err(Errno::NOTSUP) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let (seconds, nanos) = self.modified;
        let modified = TimeSpec::new(seconds, nanos.clamp(0, 999_999_999));
        Ok(futimens(&file, &modified, &modified)?)
    }
}

/// Whether an extended attribute belongs to the data: those of users, access lists, and the capabilities
/// of programs. Those of the overlay, the kernel and the host's security do not.
pub(super) fn may_be_kept(name: &[u8]) -> bool {
    const WHOLE: [&[u8]; 3] =
        [b"security.capability", b"system.posix_acl_access", b"system.posix_acl_default"];
    WHOLE.contains(&name)
        || name.strip_prefix(b"user.").is_some_and(|rest| !rest.is_empty() && name.len() <= 255)
}
