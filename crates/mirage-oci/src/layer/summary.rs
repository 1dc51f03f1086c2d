//! What came out of unpacking.

/// What a layer held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerSummary {
    /// Entries of the archive.
    pub entries: u64,
    /// Bytes of the inflated archive.
    pub unpacked_bytes: u64,
    /// What was left out or understood differently, one sentence each; at most sixteen.
    pub warnings: Vec<String>,
}

const MAX_WARNINGS: usize = 16;

impl LayerSummary {
    /// Adds a warning, unless there are enough or it is there already.
    pub(super) fn warn(&mut self, warning: impl Into<String>) {
        let warning = warning.into();
        if self.warnings.len() < MAX_WARNINGS && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}
