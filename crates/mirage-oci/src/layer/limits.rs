//! How much a layer may ask for.

use super::error::LayerError;

/// Limits on one layer. A layer beyond any of them is refused while it streams.
#[derive(Clone, Debug)]
pub struct LayerLimits {
    /// Bytes of the inflated archive. A layer of 64 GiB is far beyond what registries accept.
    pub max_unpacked_bytes: u64,
    /// How many times larger than its compressed form the archive may be, once it is larger than
    /// [`Self::ratio_free_bytes`]. Gzip reaches 1,032 and zstd more with zeros; programs reach 5.
    pub max_ratio: u64,
    /// Bytes of the inflated archive up to which the ratio does not matter.
    pub ratio_free_bytes: u64,
    /// Sizes of all files added up, holes included; `lastlog` alone can claim hundreds of GiB.
    pub max_apparent_bytes: u64,
    /// Entries, and the folders implied by them.
    pub max_entries: u32,
    /// Bytes of names, link targets and extended attributes, which are kept in memory.
    pub max_metadata_bytes: u32,
    /// Components of a path.
    pub max_depth: u16,
}

impl Default for LayerLimits {
    fn default() -> Self {
        Self {
            max_unpacked_bytes: 64 << 30,
            max_ratio: 200,
            ratio_free_bytes: 4 << 30,
            max_apparent_bytes: 1 << 40,
            max_entries: 2_000_000,
            max_metadata_bytes: 256 << 20,
            max_depth: 256,
        }
    }
}

impl LayerLimits {
    /// Refuses an archive of which `inflated` bytes have come out of `compressed`.
    pub(super) fn check_inflated(&self, inflated: u64, compressed: u64) -> Result<(), LayerError> {
        if inflated > self.max_unpacked_bytes {
            return Err(LayerError::larger_than("its inflated archive", self.max_unpacked_bytes));
        }
        if inflated > self.ratio_free_bytes && inflated / self.max_ratio.max(1) > compressed {
            return Err(LayerError::TooLarge(format!(
                "it inflates to more than {} times its size, {compressed} bytes have become {inflated}",
                self.max_ratio
            )));
        }
        Ok(())
    }
}

/// The longest name of one file, in bytes (`NAME_MAX`).
pub(super) const MAX_NAME_BYTES: usize = 255;
/// The longest path or link target, in bytes (`PATH_MAX` less its NUL).
pub(super) const MAX_PATH_BYTES: usize = 4095;
/// The largest PAX or GNU header in front of an entry, as in Go's `archive/tar`.
pub(super) const MAX_HEADER_BYTES: u64 = 1 << 20;
/// The most data segments of a sparse file.
pub(super) const MAX_SEGMENTS: usize = 1 << 18;
/// All extended attributes of one file, in bytes; most file systems allow less.
pub(super) const MAX_XATTR_BYTES: usize = 128 << 10;
/// The longest value of one extended attribute: what the length field of EROFS can say.
pub(super) const MAX_XATTR_VALUE_BYTES: usize = u16::MAX as usize;
/// Components looked at while one name is resolved, those of followed links included.
pub(super) const MAX_STEPS: usize = 1024;
/// Symbolic links followed while one name is resolved, as in Linux.
pub(super) const MAX_LINKS_FOLLOWED: usize = 40;
