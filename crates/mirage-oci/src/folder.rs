//! Folders that are still there after the power went out.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// Makes a folder with those above it, each of which is on the disk when this returns: a file that is brought to the disk
/// in a folder which is not has no name after a power cut.
pub(crate) fn make_lasting(path: &Path, mode: u32) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_lasting(above, mode)?;
    match DirBuilder::new().mode(mode).create(path) {
        // Somebody else made it at the same time, and may not have come to what follows.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(above)?.sync_all(),
    }
}
