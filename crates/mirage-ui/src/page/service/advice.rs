//! What the pages of a service have themselves where a hint names a command.

use mirage_core::Code;

use crate::fault::Advice;

/// What to do where another service has a domain, here as in the wizard.
pub(crate) const TAKEN: (Code, &str, &str) = (
    Code::RouteConflict,
    "domain",
    "choose another one, or take it from that service first: its page “Domains” has the button",
);

/// Its fields, in the words of the settings, and what to do on its pages.
pub(crate) const ADVICE: Advice = Advice {
    fields: &[
        ("--port", "Ports"),
        ("--env", "Variables"),
        ("--memory", "Memory of each"),
        ("--health-path", "Path that answers when it is well"),
        ("--health-status", "Statuses of a good answer"),
        ("--health-host", "Host that the path is asked of"),
        ("--health-timeout", "Seconds until a new instance has to be well"),
        ("healthcheck.timeoutSeconds", "Seconds that one answer may take"),
        ("--no-auto-deploy", "Deploy by itself whenever the tag is pushed to the built-in registry"),
    ],
    instead: &[
        (Code::Conflict, "revision", "roll back to one that was: each has its page under “Deployments”"),
        (Code::NotFound, "revision", "“Deployments” has those there are"),
        (Code::NotFound, "deploymentId", "“Deployments” has those there are"),
        (Code::Conflict, "", "look at it as it is now, then do it again"),
        TAKEN,
        (
            Code::InvalidRequest,
            "domain",
            "the service has its address there already, which stands at the top of its pages",
        ),
        (
            Code::InvalidRequest,
            "certificate",
            "take the tick from “Ask the certificate authority for a certificate”, then bring one on the page of the domain",
        ),
        (
            Code::InvalidRequest,
            "autoDeploy",
            "push the image to Mirage itself and deploy it by its tag there, or take the tick away that it is deployed by itself",
        ),
    ],
};

/// The hint of a deployment that failed, with the pages that show what the commands do.
pub(crate) fn failure_hint(hint: &str) -> String {
    let here = [("`mirage inspect`", "“New service”"), ("`mirage logs`", "“Logs”")];
    ADVICE.hint(&here.iter().fold(hint.to_owned(), |told, (command, page)| told.replace(command, page)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mirage_core::setting::is_label;

    #[test]
    fn fields_are_called_as_they_are_on_the_page_of_the_settings() {
        for (option, label) in ADVICE.fields {
            assert!(is_label(label), "{option}: {label}");
        }
    }

    #[test]
    fn why_a_deployment_failed_names_fields_and_pages_and_no_commands() {
        for (hint, told) in [
            (
                "check the image's entrypoint and command: `mirage inspect` shows them",
                "check the image's entrypoint and command: “New service” shows them",
            ),
            (
                "the last lines it wrote say more; `mirage logs` has all of them",
                "the last lines it wrote say more; “Logs” has all of them",
            ),
            (
                "it listens on port 3000 instead; deploy with `--port 3000`",
                "it listens on port 3000 instead; deploy with “Ports” `3000`",
            ),
            (
                "a variable seems to be missing (`KEY is not set`); set it with `--env NAME=value`",
                "a variable seems to be missing (`KEY is not set`); set it with “Variables” `NAME=value`",
            ),
            ("make it listen on 0.0.0.0:80", "make it listen on 0.0.0.0:80"),
        ] {
            assert_eq!(failure_hint(hint), told);
        }
    }
}
