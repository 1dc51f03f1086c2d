//! Where an image is from, as people call it: a name and a mark of our own drawing.

use maud::{Markup, html};
use mirage_control::Control;
use mirage_core::Reference;

/// A kind of registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Registry {
    /// Docker Hub.
    Hub,
    /// That of GitHub.
    GitHub,
    /// That of GitLab, its own or one somewhere else.
    GitLab,
    /// Quay.
    Quay,
    /// Those of Amazon.
    Amazon,
    /// The one that Mirage brings.
    BuiltIn,
    /// Any other.
    Other,
}

impl Registry {
    /// That of an image.
    pub(crate) fn of(control: &Control, image: &Reference) -> Self {
        let name = image.host().name();
        let below =
            |host: &str| name == host || name.strip_suffix(host).is_some_and(|rest| rest.ends_with('.'));
        match () {
            () if control.is_own(image) => Self::BuiltIn,
            () if image.host().is_docker_hub() => Self::Hub,
            () if below("ghcr.io") => Self::GitHub,
            () if below("quay.io") => Self::Quay,
            () if below("amazonaws.com") || below("ecr.aws") => Self::Amazon,
            () if name.split('.').any(|part| part == "gitlab") => Self::GitLab,
            () => Self::Other,
        }
    }

    /// What people call it; of one that has no name of its own, what it is.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Hub => "Docker Hub",
            Self::GitHub => "GitHub",
            Self::GitLab => "GitLab",
            Self::Quay => "Quay",
            Self::Amazon => "Amazon ECR",
            Self::BuiltIn => "the built-in registry",
            Self::Other => "a registry",
        }
    }

    /// The badge of a service from an image: the mark of its registry, and the word.
    pub(crate) fn badge(self) -> Markup {
        html! {
            span.kind title=(self.words()) {
                svg width="16" height="16" aria-hidden="true" { path d=(self.drawing()) {} }
                span.word { "Image" } span.sr { " of " (self.words()) }
            }
        }
    }

    fn drawing(self) -> &'static str {
        match self {
            Self::Hub => "M1 8h4v4H1zM6 8h4v4H6zM11 8h4v4h-4zM6 3h4v4H6z",
            Self::GitHub => "M3 2h3v12H3zM6 9h5V2h3v10H6z",
            Self::GitLab => "M8 1l7 7-7 7-7-7zM8 5 5 8l3 3 3-3z",
            Self::Quay => "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zm0 4a3 3 0 1 1 0 6 3 3 0 0 1 0-6z",
            Self::Amazon => "M8 1l6 3.5v7L8 15l-6-3.5v-7zM5 6v4l3 2 3-2V6L8 4z",
            Self::BuiltIn => "M8 1l7 6v8h-5v-4H6v4H1V7z",
            Self::Other => "M1 2h14v5H1zM1 9h14v5H1z",
        }
    }
}
