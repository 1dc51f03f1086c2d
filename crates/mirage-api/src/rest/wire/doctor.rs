//! What stands in the way on the platform's machine.

use mirage_control::Finding;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindingBody {
    /// What.
    pub subject: String,
    /// What was seen.
    pub seen: String,
    /// What to do about it; absent where all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// All that was looked at.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FindingList {
    /// The findings.
    pub findings: Vec<FindingBody>,
}

impl From<Finding> for FindingBody {
    fn from(finding: Finding) -> Self {
        Self { subject: finding.subject, seen: finding.seen, hint: finding.hint }
    }
}
