//! What is wrong with an archive, in words.

use mirage_core::{Code, Error, human_bytes};
use nix::errno::Errno;

use crate::layer::LayerError;

/// The archive is not what it should be.
pub(super) fn damaged(archive: &str, why: impl AsRef<str>) -> Error {
    Error::new(Code::ImagePullError, format!("`{archive}` is damaged: {}", why.as_ref()))
        .hint("make the archive again, for example with `docker save` or `skopeo copy … oci-archive:FILE`")
}

/// The archive is fine, and has no images.
pub(super) fn no_images(archive: &str, why: impl AsRef<str>) -> Error {
    Error::new(Code::InvalidRequest, format!("`{archive}` is no archive of images: {}", why.as_ref()))
        .hint("make one with `docker save` or `skopeo copy … oci-archive:FILE`")
}

/// Something is larger than its limit.
pub(super) fn too_large(archive: &str, what: &str, limit: u64) -> Error {
    Error::new(Code::ImageTooLarge, format!("{what} of `{archive}` has more than {}", human_bytes(limit)))
        .hint("Mirage has this limit so that an archive cannot fill its memory")
}

/// The archive, or the file that stands in for it, cannot be read.
pub(super) fn unreadable(archive: &str, cause: std::io::Error) -> Error {
    Error::new(Code::InvalidRequest, format!("`{archive}` cannot be read: {}", plain(&cause)))
        .hint("check the path, and who may read it")
        .because(cause)
}

/// A file of the archive could not be written.
pub(super) fn unwritable(file: &str, cause: std::io::Error) -> Error {
    match cause.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG) => {
            Error::new(Code::DiskFull, format!("there is no room for `{file}`"))
                .hint("free some space, or choose a place with more of it")
                .because(cause)
        }
        _ => Error::new(Code::InvalidRequest, format!("`{file}` cannot be written: {}", plain(&cause)))
            .hint("check the path, and who may write there")
            .because(cause),
    }
}

/// What the reader of tar streams found.
pub(super) fn of_reader(archive: &str, spool: &str, error: LayerError) -> Error {
    match error {
        LayerError::Read(cause) => unreadable(archive, cause),
        LayerError::Write(cause) => unwritable(spool, cause),
        LayerError::TooLarge(why) => {
            Error::new(Code::ImageTooLarge, format!("`{archive}` is refused: {why}"))
                .hint("Mirage has this limit so that an archive cannot fill the disk")
        }
        LayerError::Compressed(_) | LayerError::Damaged { .. } | LayerError::Entry { .. } => {
            damaged(archive, error.to_string())
        }
    }
}

/// The words of the system, without the number of the error.
fn plain(cause: &std::io::Error) -> String {
    match cause.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_lowercase(),
        None => cause.to_string(),
    }
}
