//! Stock: what of an image is where it would run, and what room there is for the rest.

use crate::size::human_bytes;

/// How much larger programs are on the disk than in a registry: a rule of thumb, for sentences only.
pub const UNPACKED_RATIO: u64 = 3;

/// What of an image is at the target. `None` is what nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// Whether every layer is there.
    pub present: bool,
    /// Bytes of the layers that would have to be moved, as they are in the registry.
    pub missing_bytes: Option<u64>,
    /// Bytes that the whole image takes unpacked.
    pub unpacked_bytes: Option<u64>,
    /// Bytes that can still be written there.
    pub free_bytes: Option<u64>,
}

impl Stock {
    /// Why the image cannot fit, as half a sentence after its name; `None` where it may.
    pub fn too_large(&self) -> Option<String> {
        does_not_fit(self.missing_bytes?, self.free_bytes?)
    }

    /// About how many bytes the missing layers take unpacked, where that is more than is free.
    pub fn probably_too_large(&self) -> Option<u64> {
        let needs = self.missing_bytes?.saturating_mul(UNPACKED_RATIO);
        (needs > self.free_bytes?).then_some(needs)
    }
}

/// Why packed layers of so many bytes cannot fit into so many, whatever they unpack to, as half a
/// sentence after the image's name; `None` where they may.
pub fn does_not_fit(packed_bytes: u64, free_bytes: u64) -> Option<String> {
    (packed_bytes > free_bytes).then(|| {
        format!(
            "does not fit on the disk: {} are to be pulled, {} are free",
            human_bytes(packed_bytes),
            human_bytes(free_bytes)
        )
    })
}
