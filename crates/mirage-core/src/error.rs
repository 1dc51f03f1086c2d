//! One error for the whole product: a code for programs, a sentence for people, a next step.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The result of anything that can fail in a way a user should hear about.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// What went wrong, for programs. The set is closed and the spelling is stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)*
        }

        impl Code {
            /// Every code, in the order of the contract.
            pub const ALL: &[Code] = &[$(Code::$variant,)*];

            /// The stable spelling, as in the API: `IMAGE_NOT_FOUND`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Code::$variant => $text,)*
                }
            }
        }
    };
}

codes! {
    /// The text is not an image reference.
    InvalidImageReference = "INVALID_IMAGE_REFERENCE",
    /// The registry does not have this repository, tag or digest.
    ImageNotFound = "IMAGE_NOT_FOUND",
    /// Credentials were refused, or needed and absent.
    RegistryAuthError = "REGISTRY_AUTH_ERROR",
    /// The bytes were wrong or the transfer broke off.
    ImagePullError = "IMAGE_PULL_ERROR",
    /// The image exists, but not for this machine's platform.
    NoMatchingPlatform = "NO_MATCHING_PLATFORM",
    /// The image is larger than the limit or than the free disk.
    ImageTooLarge = "IMAGE_TOO_LARGE",
    /// The registry asks to slow down.
    RegistryRateLimited = "REGISTRY_RATE_LIMITED",
    /// The registry does not answer, or answers with a server error.
    RegistryUnreachable = "REGISTRY_UNREACHABLE",
    /// The registry's certificate is not accepted.
    RegistryTlsError = "REGISTRY_TLS_ERROR",
    /// A user name without its password, or the other way round.
    CredentialIncomplete = "CREDENTIAL_INCOMPLETE",
    /// Another service of the environment has this name.
    NameTaken = "NAME_TAKEN",
    /// Another service answers at this address.
    RouteConflict = "ROUTE_CONFLICT",
    /// There is no such thing.
    NotFound = "NOT_FOUND",
    /// Known, but not allowed.
    Forbidden = "FORBIDDEN",
    /// No token, or a wrong one.
    Unauthenticated = "UNAUTHENTICATED",
    /// The request itself is wrong; `field` says where.
    InvalidRequest = "INVALID_REQUEST",
    /// The new instance ran but did not answer as it should.
    ProbeFailed = "PROBE_FAILED",
    /// The new instance could not be started, or exited.
    StartFailed = "START_FAILED",
    /// A step took longer than it may.
    DeadlineExceeded = "DEADLINE_EXCEEDED",
    /// The disk is full.
    DiskFull = "DISK_FULL",
    /// The place where services run cannot be used.
    TargetUnavailable = "TARGET_UNAVAILABLE",
    /// Building from source failed.
    BuildFailed = "BUILD_FAILED",
    /// Somebody else changed the thing, or it is in a state that forbids the request.
    Conflict = "CONFLICT",
    /// A fault of Mirage.
    Internal = "INTERNAL",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What went wrong: code, sentence, next step.
///
/// Messages and hints quote what users and registries sent; characters that would move a terminal's
/// cursor or begin a new log line are written as escapes.
///
/// The sentence names the thing in backticks, says what was seen, and has no full stop. The
/// internal cause is for the log alone; that is why the type has no [`fmt::Display`] of the whole.
#[derive(Clone)]
pub struct Error {
    code: Code,
    message: String,
    hint: Option<String>,
    field: Option<String>,
    internal: Option<Arc<anyhow::Error>>,
}

impl Error {
    /// An error with its sentence.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: one_line(message.into()), hint: None, field: None, internal: None }
    }

    /// A fault of Mirage: the user sees only that it happened, the log sees `cause`.
    pub fn internal(doing: &str, cause: impl Into<anyhow::Error>) -> Self {
        Self::new(Code::Internal, format!("Mirage could not {doing}"))
            .hint("the log of `mirage serve` has the cause")
            .because(cause)
    }

    /// Adds the next thing to do, preferably a command that can be pasted.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(one_line(hint.into()));
        self
    }

    /// Names the field of the request that is at fault, in the spelling of the REST face.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Attaches the cause, for the log only.
    #[must_use]
    pub fn because(mut self, cause: impl Into<anyhow::Error>) -> Self {
        self.internal = Some(Arc::new(cause.into()));
        self
    }

    /// The code, for programs.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The sentence, for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The next thing to do, where there is one.
    pub fn next_step(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The field at fault, where one is.
    pub fn at_field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// The cause chain in one line, for the log only.
    pub fn cause(&self) -> Option<String> {
        self.internal.as_ref().map(|cause| format!("{cause:#}"))
    }
}

/// Text in which control characters are written as escapes.
pub(crate) fn one_line(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        if let Some(cause) = &self.internal {
            write!(f, " ({cause:#})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_spelled_the_same_in_json_and_in_text() {
        for code in Code::ALL {
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(json, format!("\"{code}\""));
        }
    }

    #[test]
    fn the_cause_stays_out_of_what_the_user_sees() {
        let error = Error::internal("read the database", anyhow::anyhow!("page 7 is torn"));
        assert!(!error.message().contains("torn"));
        assert_eq!(error.cause().as_deref(), Some("page 7 is torn"));
    }
}
