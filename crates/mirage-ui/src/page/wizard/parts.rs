//! The image as one text, and in its parts.

use maud::{Markup, html};
use mirage_core::Error;

use super::image::View;
use super::typed::{PARTS_SHOWN, WHOLE_SHOWN, parts_kept, shown};
use crate::field::Field;

/// Registries that are offered by name: host, words.
const REGISTRIES: [(&str, &str); 5] = [
    ("docker.io", "Docker Hub"),
    ("ghcr.io", "GitHub (ghcr.io)"),
    ("registry.gitlab.com", "GitLab"),
    ("quay.io", "Quay"),
    ("public.ecr.aws", "Amazon ECR Public"),
];
/// A port behind a host, from 1 to 65535.
macro_rules! port {
    () => {
        "(:0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
    };
}
/// What a browser takes in the one field before it asks: a reference, a command, a line of a file, an address, each
/// after the sign of a prompt and `sudo` or not, a command after whatever. The rule itself is the platform's (`unwrapped`); what
/// that takes is not refused here.
const WHOLE: &str = concat!(
    r"(.*\W)?(docker|podman|nerdctl)(\.exe)?\s.*|\s*([$#] \s*)?(sudo \s*)?(.*:\/\/.*|(FROM |image:).*|([a-zA-Z0-9][a-zA-Z0-9.\-]*",
    port!(),
    r"\/|\[[0-9a-f:]+\]",
    port!(),
    r"\/)?[a-z0-9]+([._\-]+[a-z0-9]+)*(\/[a-z0-9]+([._\-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127})?(@sha(256:[0-9a-f]{64}|512:[0-9a-f]{128}))?)\s*"
);
const HOST: &str = concat!(r"[a-zA-Z0-9]([a-zA-Z0-9.\-]*[a-zA-Z0-9])?", port!(), r"|\[[0-9a-f:]+\]", port!());
const NAME: &str = r"[a-z0-9]+([._\-]+[a-z0-9]+)*(\/[a-z0-9]+([._\-]+[a-z0-9]+)*)*";
const TAG: &str = r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}";
const DIGEST: &str = r"sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})";

/// The one field, with what it means in full.
pub(super) fn whole(view: &View, part_of_answer: bool) -> Markup {
    let parts = parts_kept(&view.fields);
    let meant = view.wrong.is_none() && !parts.name.is_empty() && parts.joined() != view.fields.get("image");
    let field = Field {
        name: "image",
        label: "Image",
        value: view.fields.get("image"),
        example: "nginx:1.27",
        help: "A reference, a `docker pull` or `docker run` command, or the address of an image's page.",
        pattern: Some(WHOLE),
        required: true,
        error: view.error(),
        ..Field::default()
    };
    html! {
        div #whole hx-swap-oob=[part_of_answer.then_some("true")] hx-post=(view.verdict("whole"))
            hx-trigger="input delay:250ms" hx-include="closest form" hx-target="#verdict" hx-sync="closest form:replace" {
            (whole_shown(view, false))
            (field.text())
            @if meant { p.meant { "Means " code { (parts.joined()) } } }
        }
    }
}

/// The parts, each to be changed by itself.
pub(super) fn parts(view: &View, part_of_answer: bool) -> Markup {
    let parts = parts_kept(&view.fields);
    let known = REGISTRIES.iter().any(|(host, _)| *host == parts.registry);
    let is_other = !known && !parts.registry.is_empty();
    let chosen = if is_other { "" } else { parts.registry.as_str() };
    let options: Vec<(&str, &str)> = REGISTRIES.into_iter().chain([("", "Another registry")]).collect();
    let chosen = if chosen.is_empty() && !is_other { "docker.io" } else { chosen };
    let field = |name: &'static str, known_as: &'static str| Field {
        name,
        error: view.error(),
        known_as: Some(known_as),
        ..Field::default()
    };
    html! {
        fieldset.parts #parts hx-swap-oob=[part_of_answer.then_some("true")] hx-post=(view.verdict("parts"))
            hx-trigger="input delay:250ms" hx-include="closest form" hx-target="#verdict" hx-sync="closest form:replace" {
            legend { "Its parts" }
            (parts_shown(view, false))
            (Field { label: "Registry", value: chosen, known_as: Some("imageRegistry-of-list"), ..field("registry", "") }
                .choice(&options))
            div.host {
                (Field {
                    label: "Address of another registry",
                    value: if is_other { &parts.registry } else { "" },
                    example: "registry.example:5000",
                    help: "A host, with its port if it has one. ECR: account.dkr.ecr.region.amazonaws.com",
                    pattern: Some(HOST),
                    ..field("host", if is_other { "imageRegistry" } else { "" })
                }.text())
            }
            (Field {
                label: "Name",
                value: &parts.name,
                example: "library/nginx",
                help: "Lower-case letters and digits, with . _ - between them, parts divided by /",
                pattern: Some(NAME),
                ..field("name", "imageName")
            }.text())
            (Field {
                label: "Tag",
                value: &parts.tag,
                example: "latest",
                help: "Letters, digits, . _ and -, at most 128",
                pattern: Some(TAG),
                ..field("tag", "imageTag")
            }.text())
            (Field {
                label: "Digest",
                value: &parts.digest,
                example: "sha256:…",
                help: "sha256: and 64 digits of 0-9 and a-f. It decides over the tag.",
                pattern: Some(DIGEST),
                ..field("digest", "imageDigest")
            }.text())
        }
    }
}

/// What the one field shows, for the form.
pub(super) fn whole_shown(view: &View, part_of_answer: bool) -> Markup {
    hidden(WHOLE_SHOWN, view.fields.get("image"), part_of_answer)
}

/// What the parts show, for the form.
pub(super) fn parts_shown(view: &View, part_of_answer: bool) -> Markup {
    hidden(PARTS_SHOWN, &shown(&parts_kept(&view.fields)), part_of_answer)
}

fn hidden(name: &str, value: &str, part_of_answer: bool) -> Markup {
    html! {
        input type="hidden" id=(name) name=(name) value=(value) hx-swap-oob=[part_of_answer.then_some("true")];
    }
}

/// Whether an error is shown by one of the fields here.
pub(super) fn shows(error: &Error) -> bool {
    error.at_field().is_some_and(|field| {
        ["image", "imageRegistry", "imageName", "imageTag", "imageDigest"].contains(&field)
    })
}
