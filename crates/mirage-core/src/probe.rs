//! How the health of an instance is judged from outside.

use serde::{Deserialize, Serialize};

/// What is asked of an instance before it gets traffic, and while it has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Probe {
    /// Path of an HTTP GET that must answer 200 to 399; without one, accepting a TCP connection suffices.
    pub path: Option<String>,
    /// Port to ask; without one, the service's first port.
    pub port: Option<u16>,
    /// Milliseconds between two questions to a healthy instance, and the longest pause while starting.
    pub interval_millis: u64,
    /// Milliseconds that one answer may take.
    pub timeout_millis: u64,
    /// Milliseconds that a new instance has until its first good answer.
    pub budget_millis: u64,
    /// Bad answers in a row that make a healthy instance unhealthy.
    pub threshold: u32,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            path: None,
            port: None,
            interval_millis: 5_000,
            timeout_millis: 2_000,
            budget_millis: 60_000,
            threshold: 3,
        }
    }
}

/// What probing has found out about an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet.
    #[default]
    Unknown,
    /// The last answer was good.
    Healthy,
    /// The last answers were bad.
    Unhealthy(ProbeFailure),
}

/// The last bad answer to a probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProbeFailure {
    /// Nothing listens on the port.
    Refused,
    /// No answer in time.
    TimedOut,
    /// An HTTP status outside 200 to 399.
    Status(u16),
    /// An answer that is not HTTP, or a connection that broke off.
    Broken(String),
}

impl std::fmt::Display for ProbeFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Broken(why) => f.write_str(why),
        }
    }
}
