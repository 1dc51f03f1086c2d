//! A volume as a file: a tar of the POSIX kind, compressed with zstd.

mod pax;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub(super) use read::read;
pub(super) use write::write;

/// Bytes of a block of a tar.
const BLOCK: usize = 512;

/// What an extended attribute is called in a tar, before its name.
const EXTENDED: &[u8] = b"SCHILY.xattr.";
