//! The files of one instance: `0.log`, `1.log`, …, written in this order and deleted in this order.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The place of a segment.
pub(crate) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number}.log"))
}

/// The numbers of the segments in a folder, ascending. Files of another name are not ours.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        if let Some(number) = entry?.file_name().to_str().and_then(parse) {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Makes a segment that does not exist yet.
pub(crate) fn create(dir: &Path, number: u64) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path(dir, number))
}

/// Opens a segment for reading; `None` where it does not exist (any more).
pub(crate) fn open(dir: &Path, number: u64) -> io::Result<Option<File>> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path(dir, number));
    match file {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn parse(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    let number: u64 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_numbers_name_segments() {
        assert_eq!(parse("0.log"), Some(0));
        assert_eq!(parse("18446744073709551615.log"), Some(u64::MAX));
        for name in ["", ".log", "00.log", "+1.log", "1.log.gz", "1", "18446744073709551616.log"] {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
