//! What preflight found, in answers.

use mirage_core as core;
use serde::Serialize;
use utoipa::ToSchema;

/// One thing that somebody should know before an image runs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImageFinding {
    /// For programs; the spelling is stable.
    #[schema(example = "RUNS_AS_ROOT")]
    code: &'static str,
    /// How bad it is.
    severity: Severity,
    /// What was seen.
    #[schema(example = "it runs as root")]
    message: String,
    /// The next thing to do.
    hint: Option<String>,
    /// The code with which a deploy is refused for it; of problems alone.
    #[schema(example = "IMAGE_TOO_LARGE")]
    refusal: Option<&'static str>,
}

/// How bad a finding is: a problem keeps the image from running, a warning and a note do not.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Problem,
    Warning,
    Note,
}

/// What hangs on an image in its registry. Nothing of it is verified.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attachments {
    /// A signature, of cosign's or Notary's kind.
    signature: Presence,
    /// A list of what it consists of: SPDX, CycloneDX.
    sbom: Presence,
    /// A record of how it was built: SLSA.
    provenance: Presence,
}

/// Whether something is there; `unknown` where the registry could not say.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Presence {
    Present,
    Absent,
    Unknown,
}

/// How many pulls a registry still lets through.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Quota {
    /// Pulls in a window, where it says so.
    limit: Option<u64>,
    /// Pulls that are left.
    remaining: u64,
    /// Length of the window in seconds, where it says so.
    window_seconds: Option<u64>,
    /// Who is counted: an address, or the id of an account.
    source: Option<String>,
}

impl From<core::ImageFinding> for ImageFinding {
    fn from(finding: core::ImageFinding) -> Self {
        Self {
            code: finding.code.as_str(),
            severity: match finding.severity {
                core::Severity::Problem => Severity::Problem,
                core::Severity::Warning => Severity::Warning,
                core::Severity::Note => Severity::Note,
            },
            message: finding.message,
            hint: finding.hint,
            refusal: finding.refusal.map(core::Code::as_str),
        }
    }
}

impl From<core::Attachments> for Attachments {
    fn from(attachments: core::Attachments) -> Self {
        Self {
            signature: attachments.signature.into(),
            sbom: attachments.sbom.into(),
            provenance: attachments.provenance.into(),
        }
    }
}

impl From<core::Presence> for Presence {
    fn from(presence: core::Presence) -> Self {
        match presence {
            core::Presence::Present => Self::Present,
            core::Presence::Absent => Self::Absent,
            core::Presence::Unknown => Self::Unknown,
        }
    }
}

impl From<core::Quota> for Quota {
    fn from(quota: core::Quota) -> Self {
        let core::Quota { limit, remaining, window_seconds, source } = quota;
        Self { limit, remaining, window_seconds, source }
    }
}
