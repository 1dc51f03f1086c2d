//! Names in an archive, taken apart.

use super::error::LayerError;
use super::limits::{MAX_NAME_BYTES, MAX_PATH_BYTES};

/// The components of a path in an archive, from the root of the layer.
///
/// Leading and doubled slashes and `.` mean nothing. A `..` is refused: nothing that builds images
/// writes one, and every meaning it could have is somebody's trap.
pub(super) fn components(path: &[u8]) -> Result<Vec<&[u8]>, LayerError> {
    if path.len() > MAX_PATH_BYTES {
        return Err(LayerError::entry(
            path,
            format!("has a path of {} bytes, at most {MAX_PATH_BYTES} are possible", path.len()),
        ));
    }
    if path.contains(&0) {
        return Err(LayerError::entry(path, "has a zero byte in its path"));
    }
    let parts: Vec<&[u8]> =
        path.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    for part in &parts {
        if *part == b".." {
            return Err(LayerError::entry(path, "leads out of its folder with `..`"));
        }
        if part.len() > MAX_NAME_BYTES {
            return Err(LayerError::entry(
                path,
                format!("has a name of {} bytes, at most {MAX_NAME_BYTES} are possible", part.len()),
            ));
        }
    }
    Ok(parts)
}
