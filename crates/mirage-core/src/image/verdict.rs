//! Verdicts: whether an image can run, in one line, and what was found on the way there.

use super::reference::Reference;
use crate::error::{Code, Error};

/// What came out of judging an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageVerdict {
    /// Where it was judged for: `here`, or `on linux/arm64` where that is not the target's platform.
    pub place: String,
    /// What was found, the worst first.
    pub findings: Vec<ImageFinding>,
}

/// One thing that somebody should know before the image runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFinding {
    /// What, for programs.
    pub code: FindingCode,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen, as a sentence about the image without a full stop.
    pub message: String,
    /// The next thing to do, where there is one.
    pub hint: Option<String>,
    /// The code with which a deploy is refused; of problems alone.
    pub refusal: Option<Code>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The image cannot run like this; a deploy is refused.
    Problem,
    /// It runs, and somebody may be sorry.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// The word for it, lower-case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

macro_rules! finding_codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// What can be found. The spelling is stable, like that of [`Code`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum FindingCode {
            $($(#[$doc])* $variant,)*
        }

        impl FindingCode {
            /// Every code.
            pub const ALL: &[FindingCode] = &[$(FindingCode::$variant,)*];

            /// The stable spelling: `RUNS_AS_ROOT`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(FindingCode::$variant => $text,)*
                }
            }
        }
    };
}

finding_codes! {
    /// The layers that are missing are larger than the free disk.
    ImageTooLarge = "IMAGE_TOO_LARGE",
    /// It names no program, and none was given.
    NoCommand = "NO_COMMAND",
    /// `$NAME` in words that no shell reads.
    VariableNotExpanded = "VARIABLE_NOT_EXPANDED",
    /// Unpacked, the image may be larger than the free disk.
    DiskTight = "DISK_TIGHT",
    /// The process is root in its container.
    RunsAsRoot = "RUNS_AS_ROOT",
    /// It declares volumes, whose content goes with the instance.
    VolumeNotKept = "VOLUME_NOT_KEPT",
    /// The registry lets few more pulls through.
    QuotaLow = "QUOTA_LOW",
    /// It exposes no port and is told one.
    NoExposedPort = "NO_EXPOSED_PORT",
    /// It has a HEALTHCHECK, by which its health is judged.
    HealthcheckRun = "HEALTHCHECK_RUN",
    /// It was built long ago.
    OldImage = "OLD_IMAGE",
    /// It has no signature.
    NotSigned = "NOT_SIGNED",
    /// It has no list of what it consists of.
    NoSbom = "NO_SBOM",
}

impl ImageVerdict {
    /// Whether nothing was found that keeps it from running.
    pub fn runs(&self) -> bool {
        self.problem().is_none()
    }

    /// The verdict in one line: `runs here, 2 warnings`, `cannot run here: …`.
    pub fn line(&self) -> String {
        let place = &self.place;
        match (self.problem(), self.warnings().count()) {
            (Some(problem), _) => format!("cannot run {place}: {}", problem.message),
            (None, 0) => format!("runs {place}"),
            (None, 1) => format!("runs {place}, 1 warning"),
            (None, many) => format!("runs {place}, {many} warnings"),
        }
    }

    /// The findings that are warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &ImageFinding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Warning)
    }

    /// The error with which a deploy of this reference is refused; `None` where it may go on.
    ///
    /// `INVALID_REQUEST` at `command` where the request can be written otherwise, the code of the
    /// finding's own cause where the image has to change.
    pub fn refusal(&self, reference: &Reference) -> Option<Error> {
        let problem = self.problem()?;
        let code = problem.refusal.unwrap_or(Code::StartFailed);
        let message = format!("`{}` cannot run {}: {}", reference.familiar(), self.place, problem.message);
        let error = problem.hint.iter().fold(Error::new(code, message), Error::hint);
        Some(if code == Code::InvalidRequest { error.field("command") } else { error })
    }

    fn problem(&self) -> Option<&ImageFinding> {
        self.findings.iter().find(|finding| finding.severity == Severity::Problem)
    }
}
