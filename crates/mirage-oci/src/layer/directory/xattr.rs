//! Setting extended attributes, for which there is no safe wrapper among our crates.

use std::ffi::CString;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;

/// What gets the attribute.
#[derive(Clone, Copy)]
pub(in crate::layer) enum Subject<'a> {
    /// The file at this path, a symbolic link itself and not what it points to.
    Path(&'a Path),
    Open(BorrowedFd<'a>),
}

/// Sets one attribute.
pub(in crate::layer) fn set(subject: Subject<'_>, name: &[u8], value: &[u8]) -> Result<(), Errno> {
    let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
    let (bytes, length) = (value.as_ptr().cast(), value.len());
    let result = match subject {
        Subject::Path(path) => {
            let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
            // SAFETY: both names end with NUL, and `bytes` points to `length` bytes.
            unsafe { libc::lsetxattr(path.as_ptr(), name.as_ptr(), bytes, length, 0) }
        }
        // SAFETY: as above; the descriptor is open.
        Subject::Open(file) => unsafe { libc::fsetxattr(file.as_raw_fd(), name.as_ptr(), bytes, length, 0) },
    };
    Errno::result(result).map(drop)
}

/// Every attribute of the file at `path`, of a symbolic link itself.
#[cfg(test)]
pub(in crate::layer) fn all(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    let mut names = vec![0u8; 65536];
    // SAFETY: the path ends with NUL, and `names` has room for as many bytes as are told.
    let length = unsafe { libc::llistxattr(path.as_ptr(), names.as_mut_ptr().cast(), names.len()) };
    names.truncate(usize::try_from(length).unwrap_or_default());
    let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let value = |name: &[u8]| {
        let name = CString::new(name).unwrap();
        let mut value = vec![0u8; 65536];
        // SAFETY: as above, for `value`.
        let length =
            unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
        value.truncate(usize::try_from(length).unwrap());
        value
    };
    names.map(|name| (name.to_vec(), value(name))).collect()
}
