//! What `mirage doctor` reports.

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Good,
    /// Works, with something missing or slower than it could be.
    Warning,
    /// Services cannot run as they should.
    Bad,
}

/// One thing that was looked at on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, in one or two words: `cgroup`, `ip forwarding`.
    pub subject: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What was found, in one sentence without a full stop.
    pub message: String,
    /// The next thing to do, where there is one.
    pub hint: Option<String>,
}

impl Finding {
    /// Something that is as it should be.
    pub fn good(subject: &'static str, message: impl Into<String>) -> Self {
        Self { subject, level: Level::Good, message: message.into(), hint: None }
    }

    /// Something that works in part, and what to do about it.
    pub fn warning(subject: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { subject, level: Level::Warning, message: message.into(), hint: Some(hint.into()) }
    }

    /// Something that keeps services from running, and what to do about it.
    pub fn bad(subject: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { subject, level: Level::Bad, message: message.into(), hint: Some(hint.into()) }
    }
}
