//! Whether an image fits on the disk, before and after it turned out not to.

use std::path::Path;

use mirage_core::{Code, Error, Reference, Result, UNPACKED_RATIO, does_not_fit, human_bytes};
use nix::sys::statvfs::statvfs;

/// Bytes that can still be written below `folder`; `None` where that cannot be found out.
pub(super) fn free(folder: &Path) -> Option<u64> {
    let told = statvfs(folder).ok()?;
    Some((told.blocks_available() as u64).saturating_mul(told.fragment_size() as u64))
}

/// Refuses what cannot fit whatever it unpacks to.
///
/// # Errors
/// `IMAGE_TOO_LARGE` where the packed layers alone are larger than the free disk.
pub(super) fn check(folder: &Path, packed_bytes: u64, reference: &Reference) -> Result<()> {
    match free(folder).and_then(|free| does_not_fit(packed_bytes, free)) {
        Some(why) => Err(Error::new(Code::ImageTooLarge, format!("`{}` {why}", reference.familiar()))
            .hint(format!("free some space below `{}`, or use a smaller image", folder.display()))),
        None => Ok(()),
    }
}

/// Says by how much a disk that ran full was too small.
pub(super) fn explain_full(error: Error, folder: &Path, packed_bytes: u64, reference: &Reference) -> Error {
    if error.code() != Code::DiskFull {
        return error;
    }
    let needs = human_bytes(packed_bytes.saturating_mul(UNPACKED_RATIO));
    let free = free(folder).map_or("nothing".to_owned(), human_bytes);
    let message = format!(
        "the disk that holds `{}` ran full while `{}` was pulled: the image needs about {needs}, {free} are free",
        folder.display(),
        reference.familiar()
    );
    Error::new(Code::DiskFull, message)
        .hint("free some space, or move the data folder with `--data-dir`")
        .because(anyhow::anyhow!("{error:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_fit_is_refused_with_both_sizes() {
        let reference = "nginx".parse().unwrap();
        assert!(check(Path::new("/"), 1, &reference).is_ok());
        let error = check(Path::new("/"), u64::MAX, &reference).unwrap_err();
        assert_eq!(error.code(), Code::ImageTooLarge);
        assert!(
            error.message().starts_with("`nginx:latest` does not fit on the disk: 16384 PiB"),
            "{error:?}"
        );
    }

    #[test]
    fn a_full_disk_is_explained_and_other_errors_stay() {
        let reference = "nginx".parse().unwrap();
        let full = explain_full(Error::new(Code::DiskFull, "x"), Path::new("/"), 1 << 20, &reference);
        assert!(full.message().contains("the image needs about 3.0 MiB"), "{full:?}");
        let other = explain_full(Error::new(Code::Internal, "x"), Path::new("/"), 1 << 20, &reference);
        assert_eq!(other.code(), Code::Internal);
    }
}
