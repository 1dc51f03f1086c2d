//! How an instance is asked whether it is well: what the user said of it and what its image says, put together.

use std::fmt;

use crate::error::one_line;
use crate::image::resolved::{HealthTiming, ImageConfig};
use crate::probe::Probe;
use crate::service::Port;
use crate::statuses::Statuses;

/// The longest command that is shown, in characters.
const MAX_SHOWN: usize = 100;

/// Between two questions from outside, in milliseconds.
const INTERVAL: u64 = 5_000;
/// For an answer to a question from outside, in milliseconds.
const TIMEOUT: u64 = 2_000;
/// Docker's own between two runs of a command, and for each of them: who wrote the image counted on them.
const COMMAND: u64 = 30_000;
/// Until the first good answer, in milliseconds.
const BUDGET: u64 = 60_000;
/// Bad answers in a row.
const THRESHOLD: u32 = 3;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// An HTTP GET from outside.
    Http {
        /// Where.
        port: Port,
        /// What.
        request: HttpCheck,
    },
    /// The image's HEALTHCHECK, run in the instance: program and arguments. It ends with 0 when all is well.
    Command {
        /// What is executed.
        arguments: Vec<String>,
    },
    /// A connection from outside, which must be taken.
    Tcp {
        /// Where.
        port: Port,
    },
    /// Nothing: it is well as long as its process runs.
    Alive,
}

/// An HTTP GET and the answers to it that are good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpCheck {
    /// The path, with its query.
    pub path: String,
    /// The `Host` of the request; without one, `localhost`.
    pub host: Option<String>,
    /// The statuses that are good.
    pub expected: Statuses,
}

/// When it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Milliseconds between two questions to a healthy instance, and the longest pause while starting.
    pub interval_millis: u64,
    /// Milliseconds that one answer may take.
    pub timeout_millis: u64,
    /// Milliseconds that a new instance has until its first good answer.
    pub budget_millis: u64,
    /// Bad answers in a row that make a healthy instance unhealthy.
    pub threshold: u32,
}

impl Check {
    /// A path that the user named is asked; else the image's HEALTHCHECK is run, unless it is `NONE`; else the
    /// port must take a connection; a worker only has to run.
    pub fn of(probe: &Probe, image: &ImageConfig, port: Option<Port>) -> Self {
        match (&probe.path, port) {
            (Some(path), Some(port)) => {
                let expected = probe.expected.clone().unwrap_or_default();
                let request = HttpCheck { path: path.clone(), host: probe.host.clone(), expected };
                Self::Http { port, request }
            }
            (_, port) => match (image.health_arguments(), port) {
                (Some(arguments), _) => Self::Command { arguments },
                (None, Some(port)) => Self::Tcp { port },
                (None, None) => Self::Alive,
            },
        }
    }

    /// What was seen of an instance that is well, in half a sentence.
    pub fn answered(&self) -> String {
        match self {
            Self::Http { request, .. } => format!("GET {} answered", request.path),
            Self::Command { .. } => "its HEALTHCHECK ended well".to_owned(),
            Self::Tcp { port } => format!("port {port} accepts connections"),
            Self::Alive => "the process runs".to_owned(),
        }
    }

    /// Who was asked, for a sentence that goes on with the answer.
    pub fn asked(&self) -> String {
        match self {
            Self::Http { port, request } => format!("`GET {}` on port {port}", request.path),
            Self::Command { .. } => "its HEALTHCHECK".to_owned(),
            Self::Tcp { port } => format!("port {port}"),
            Self::Alive => "the process".to_owned(),
        }
    }
}

/// For people: `GET /up on port 80 (200-299)`.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { port, request } => {
                write!(f, "GET {} on port {port}", request.path)?;
                if let Some(host) = &request.host {
                    write!(f, " at {host}")?;
                }
                write!(f, " ({})", request.expected)
            }
            Self::Command { arguments } => {
                let line = arguments.join(" ");
                let cut = if line.chars().count() > MAX_SHOWN { "…" } else { "" };
                let shown = one_line(line.chars().take(MAX_SHOWN).collect());
                write!(f, "the image's HEALTHCHECK: {shown}{cut}")
            }
            Self::Tcp { port } => write!(f, "connection to port {port}"),
            Self::Alive => f.write_str("the process runs"),
        }
    }
}

impl Timing {
    /// What the user said comes first, then what the image says of its own command, then the default. How long
    /// the image says that it takes to start is believed whatever is asked.
    pub fn of(probe: &Probe, image: &HealthTiming, check: &Check) -> Self {
        let (own, interval, timeout) = match check {
            Check::Command { .. } => (image.clone(), COMMAND, COMMAND),
            _ => (HealthTiming::default(), INTERVAL, TIMEOUT),
        };
        let budget = BUDGET + image.start_period_millis.unwrap_or(0);
        Self {
            interval_millis: probe.interval_millis.or(own.interval_millis).unwrap_or(interval),
            timeout_millis: probe.timeout_millis.or(own.timeout_millis).unwrap_or(timeout),
            budget_millis: probe.budget_millis.unwrap_or(budget),
            threshold: probe.threshold.or(own.retries).unwrap_or(THRESHOLD),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(command: &[&str]) -> ImageConfig {
        let health_command = command.iter().map(|&word| word.to_owned()).collect();
        ImageConfig { health_command, ..ImageConfig::default() }
    }

    fn shown(probe: &Probe, image: &ImageConfig, port: Option<u16>) -> String {
        Check::of(probe, image, port.and_then(Port::new)).to_string()
    }

    #[test]
    fn a_path_comes_before_a_command_and_a_command_before_a_connection() {
        let (none, path) = (Probe::default(), Probe { path: Some("/up".into()), ..Probe::default() });
        let healthy = image(&["CMD", "/check", "-q"]);
        assert_eq!(shown(&path, &healthy, Some(80)), "GET /up on port 80 (200-399)");
        assert_eq!(shown(&none, &healthy, Some(80)), "the image's HEALTHCHECK: /check -q");
        assert_eq!(shown(&none, &healthy, None), "the image's HEALTHCHECK: /check -q");
        assert_eq!(shown(&path, &healthy, None), "the image's HEALTHCHECK: /check -q");
        for without in [image(&[]), image(&["NONE"]), image(&["CMD"]), image(&["WHAT", "x"])] {
            assert_eq!(shown(&none, &without, Some(80)), "connection to port 80");
            assert_eq!(shown(&none, &without, None), "the process runs");
        }
        let host =
            Probe { host: Some("shop.example".into()), expected: Some("200".parse().unwrap()), ..path };
        assert_eq!(shown(&host, &healthy, Some(80)), "GET /up on port 80 at shop.example (200)");
    }

    #[test]
    fn a_command_for_a_shell_gets_the_image_s_own() {
        let arguments = |image: &ImageConfig| image.health_arguments().unwrap().join("|");
        let mut shell = image(&["CMD-SHELL", "curl -f localhost || exit 1"]);
        assert_eq!(arguments(&shell), "/bin/sh|-c|curl -f localhost || exit 1");
        shell.shell = vec!["/bin/bash".into(), "-eu".into(), "-c".into()];
        assert_eq!(arguments(&shell), "/bin/bash|-eu|-c|curl -f localhost || exit 1");
        assert_eq!(arguments(&image(&["CMD", "/check", "$HOME"])), "/check|$HOME");
        let long = format!("{}\n", "x".repeat(200));
        assert!(shown(&Probe::default(), &image(&["CMD", &long]), None).ends_with("x…"));
    }

    #[test]
    fn the_user_s_times_come_before_the_image_s_and_those_before_the_default() {
        let times = |probe: &Probe, image: &ImageConfig| {
            let check = Check::of(probe, image, Port::new(80));
            let timing = Timing::of(probe, &image.health_timing, &check);
            (timing.interval_millis, timing.timeout_millis, timing.budget_millis, timing.threshold)
        };
        let none = Probe::default();
        assert_eq!(times(&none, &image(&[])), (5_000, 2_000, 60_000, 3));
        assert_eq!(times(&none, &image(&["CMD", "x"])), (30_000, 30_000, 60_000, 3));
        let mut own = image(&["CMD", "x"]);
        own.health_timing = HealthTiming {
            interval_millis: Some(10_000),
            timeout_millis: Some(4_000),
            start_period_millis: Some(90_000),
            retries: Some(5),
        };
        assert_eq!(times(&none, &own), (10_000, 4_000, 150_000, 5));
        let some = Probe { interval_millis: Some(1), threshold: Some(9), ..Probe::default() };
        assert_eq!(times(&some, &own), (1, 4_000, 150_000, 9));
        // Its times are those of its command, but for how long it takes to start.
        let path = Probe { path: Some("/".into()), ..Probe::default() };
        assert_eq!(times(&path, &own), (5_000, 2_000, 150_000, 3));
        let budget = Probe { budget_millis: Some(7), ..path };
        assert_eq!(times(&budget, &own).2, 7);
    }
}
