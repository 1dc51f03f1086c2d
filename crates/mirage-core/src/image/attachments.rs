//! What hangs on an image beside its layers: signatures, bills of materials, provenance.

/// What is attached to an image. Found to be there or not; nothing of it is verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attachments {
    /// A signature, of cosign's or Notary's kind.
    pub signature: Presence,
    /// A list of what the image consists of: SPDX, CycloneDX.
    pub sbom: Presence,
    /// A record of how the image was built: SLSA.
    pub provenance: Presence,
}

/// Whether something is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// It is.
    Present,
    /// It is not.
    Absent,
    /// Nobody could say.
    #[default]
    Unknown,
}

impl Presence {
    /// The word for it, lower-case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Absent => "absent",
            Self::Unknown => "unknown",
        }
    }
}
