//! What became of the requests.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

/// Failures that are remembered one by one; all are counted.
const REMEMBERED: usize = 20_000;

/// What is wrong with an answer, or why there was none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection.
    Connect(String),
    /// The connection was reset.
    Reset(String),
    /// The connection was closed where an answer was due.
    Closed(String),
    /// Nothing happened for too long.
    TimedOut(String),
    /// The body broke off.
    Short,
    /// Another status than 200.
    Status(u16),
    /// A body that the version that is named cannot have sent, or a version of another service.
    Wrong(String),
    /// Not HTTP.
    NotHttp,
}

impl Fault {
    pub(super) fn of(error: &std::io::Error, when: &str) -> Self {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Self::TimedOut(when.to_owned()),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Self::Reset(when.to_owned()),
            _ => Self::Closed(format!("{when}: {error}")),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(why) => write!(f, "no connection: {why}"),
            Self::Reset(when) => write!(f, "reset {when}"),
            Self::Closed(when) => write!(f, "closed {when}"),
            Self::TimedOut(when) => write!(f, "nothing came {when}"),
            Self::Short => f.write_str("the body broke off"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Wrong(what) => write!(f, "wrong answer: {what}"),
            Self::NotHttp => f.write_str("not HTTP"),
        }
    }
}

/// A request that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// When it began.
    pub from: Instant,
    /// When it had failed.
    pub until: Instant,
    /// How.
    pub fault: Fault,
}

/// What became of all requests of a load. Every request that was begun is in one of the two counts.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Answers that were whole and right.
    pub good: u64,
    /// Requests that were not answered so.
    pub failed: u64,
    /// Connections that were opened.
    pub connections: u64,
    /// Good answers by the version that gave them.
    pub versions: BTreeMap<String, u64>,
    /// The first failures, with their times.
    pub failures: Vec<Failure>,
    /// The longest that a good answer took.
    pub longest: Duration,
}

impl Counts {
    pub(super) fn succeed(&mut self, version: String, took: Duration) {
        self.good += 1;
        self.longest = self.longest.max(took);
        *self.versions.entry(version).or_default() += 1;
    }

    pub(super) fn fail(&mut self, from: Instant, fault: Fault) {
        self.failed += 1;
        if self.failures.len() < REMEMBERED {
            self.failures.push(Failure { from, until: Instant::now(), fault });
        }
    }

    /// Adds what another part of the load counted.
    pub fn add(&mut self, other: Counts) {
        self.good += other.good;
        self.failed += other.failed;
        self.connections += other.connections;
        self.longest = self.longest.max(other.longest);
        for (version, good) in other.versions {
            *self.versions.entry(version).or_default() += good;
        }
        self.failures.extend(other.failures);
    }

    /// How many failed in which way, in words.
    pub fn faults(&self) -> String {
        let mut kinds = BTreeMap::<String, u64>::new();
        for failure in &self.failures {
            *kinds.entry(failure.fault.to_string()).or_default() += 1;
        }
        kinds.iter().map(|(kind, count)| format!("{count} × {kind}")).collect::<Vec<_>>().join(", ")
    }
}
