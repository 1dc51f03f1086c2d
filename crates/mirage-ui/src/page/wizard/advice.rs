//! What the wizard has itself where a hint names a command.

use mirage_core::{Code, FindingCode, ImageFinding};

use crate::fault::Advice;
use crate::page::service::advice::TAKEN;

/// Its fields, and what to do in it.
pub(super) const ADVICE: Advice = Advice {
    fields: &[
        ("--port", "Ports"),
        ("--health-path", "Path that answers when it is well"),
        ("--health-status", "Statuses of a good answer"),
        ("--health-host", "Host that the path is asked of"),
        ("--health-timeout", "Seconds until a new instance has to be well"),
        ("--volume", "Volumes"),
    ],
    instead: &[
        (
            Code::ImageNotFound,
            "",
            "check the name and the tag; “Tags of this repository”, on the step of the image, lists those there are",
        ),
        (
            Code::NameTaken,
            "name",
            "choose another name; to deploy this image to that service, go to its page",
        ),
        TAKEN,
        (
            Code::InvalidRequest,
            "domain",
            "leave it out: the service has an address there already, which the review shows",
        ),
        (
            Code::InvalidRequest,
            "certificate",
            "leave it out here; once the service is there, its page “Domains” takes it without a certificate",
        ),
        (
            Code::InvalidRequest,
            "autoDeploy",
            "push the image to Mirage itself and choose it by its tag there, or take the tick away",
        ),
    ],
};

/// The hint of what was found in an image, in words of the wizard.
pub(super) fn hint(finding: &ImageFinding) -> Option<String> {
    match finding.code {
        FindingCode::VolumeNotKept => {
            Some("keep it in a volume: the next step has them under “Volumes”".to_owned())
        }
        _ => finding.hint.as_deref().map(|hint| ADVICE.hint(hint)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mirage_core::setting::is_label;

    #[test]
    fn fields_are_called_as_they_are_in_the_form() {
        for (option, label) in ADVICE.fields {
            assert!(is_label(label), "{option}: {label}");
        }
    }
}
