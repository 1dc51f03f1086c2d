//! Layers as somebody who wants out of the container might pack them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use mirage_oci::layer::{
    Compression, Found, LayerError, LayerLimits, check_erofs, write_directory, write_erofs,
};

/// Both writers come to the same end; what is accepted is a sound EROFS file, and a folder with the
/// same in it and nothing beside it.
pub fn run(input: &[u8]) {
    let archive = with_right_checksums(input);
    let image = erofs(&archive);
    let Some(place) = place() else { return };
    let layer = place.path().join("layer");
    fs::create_dir(&layer).unwrap();
    let folder = write_directory(archive.as_slice(), Compression::None, &limits(), &layer);
    match (image, folder) {
        // A file system may refuse an attribute or a number of links; an EROFS file has no such limits.
        (_, Err(LayerError::Write(_))) => {}
        (Some(found), Ok(_)) => compare(&found, &layer.join("root")),
        (None, Err(_)) => {}
        (image, folder) => panic!("erofs {}, folder {folder:?}", image.is_some()),
    }
    let beside: Vec<_> =
        fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(beside, ["layer"]);
}

fn erofs(archive: &[u8]) -> Option<BTreeMap<Vec<u8>, Found>> {
    let mut file = tempfile::tempfile_in(fast_folder()).unwrap();
    match write_erofs(archive, Compression::None, &limits(), &file) {
        Ok(summary) => {
            assert!(summary.entries <= 200 && summary.warnings.len() <= 16);
            Some(check_erofs(&read(&mut file)).unwrap_or_else(|fault| panic!("{fault}")))
        }
        Err(LayerError::Write(cause)) => panic!("{cause}"),
        Err(error) => {
            let sentence = error.to_string();
            assert!(!sentence.chars().any(char::is_control) && sentence.len() < 1000, "{sentence}");
            None
        }
    }
}

fn compare(found: &BTreeMap<Vec<u8>, Found>, root: &Path) {
    let mut pending = vec![root.to_owned()];
    let mut count = 0;
    while let Some(path) = pending.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes();
        let name = if name.is_empty() { Vec::new() } else { [b"/", name].concat() };
        let entry = found.get(&name).unwrap_or_else(|| panic!("{} is only in the folder", path.display()));
        assert_eq!(metadata.mode(), u32::from(entry.mode), "{}", path.display());
        assert_eq!((metadata.uid(), metadata.gid()), entry.owner);
        count += 1;
        if metadata.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|inner| inner.unwrap().path()));
        } else {
            assert_eq!(metadata.nlink(), u64::from(entry.links));
        }
        if metadata.is_file() {
            assert!(fs::read(&path).unwrap() == entry.content, "{}", path.display());
        }
    }
    assert_eq!(count, found.len());
}

/// Small enough that an input cannot make a run slow.
fn limits() -> LayerLimits {
    LayerLimits {
        max_unpacked_bytes: 1 << 20,
        max_ratio: 100,
        ratio_free_bytes: 1 << 16,
        max_apparent_bytes: 1 << 20,
        max_entries: 200,
        max_metadata_bytes: 1 << 16,
        max_depth: 20,
    }
}

/// A checksum would keep nearly every change to a header from being looked at.
fn with_right_checksums(input: &[u8]) -> Vec<u8> {
    let mut archive = input.to_vec();
    for block in archive.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    archive
}

/// Somewhere for the folder writer. Only root may remove whatever a layer can make there.
fn place() -> Option<tempfile::TempDir> {
    let owner = fs::metadata("/proc/self").unwrap().uid();
    (owner == 0).then(|| tempfile::tempdir_in(fast_folder()).unwrap())
}

fn fast_folder() -> std::path::PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

fn read(file: &mut File) -> Vec<u8> {
    use std::io::Seek;
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}
