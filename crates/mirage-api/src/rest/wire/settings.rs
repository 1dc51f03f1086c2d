//! Settings of a service that have a shape of their own.

use mirage_core as core;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::quantity::{Cores, Memory, Seconds};

/// How health is judged: what was asked for, completed by what the image says, then by defaults.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Healthcheck {
    /// What is asked, for people.
    #[schema(example = "GET /healthz on port 8080 (200-399)")]
    check: String,
    /// What is asked, for programs.
    kind: CheckKind,
    /// Path of an HTTP GET; without one the image's HEALTHCHECK is run, and without that accepting a connection
    /// suffices.
    #[schema(example = "/healthz")]
    path: Option<String>,
    /// Port to ask; without one, the service's first port.
    port: Option<u16>,
    /// The `Host` of the request; without one, `localhost`.
    host: Option<String>,
    /// The statuses that are good; without them, 200-399.
    #[schema(value_type = Option<String>, example = "200-299")]
    status: Option<core::Statuses>,
    /// Seconds between two questions to a healthy instance.
    #[schema(value_type = f64, example = 5)]
    interval_seconds: Seconds,
    /// Seconds that one answer may take.
    #[schema(value_type = f64, example = 2)]
    timeout_seconds: Seconds,
    /// Seconds that a new instance has until its first good answer.
    #[schema(value_type = f64, example = 60)]
    start_timeout_seconds: Seconds,
    /// Bad answers in a row that make a healthy instance unhealthy.
    threshold: u32,
}

/// What is asked of an instance.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum CheckKind {
    /// An HTTP GET.
    Http,
    /// The image's HEALTHCHECK, run in the instance.
    Command,
    /// A connection.
    Tcp,
    /// Nothing: its process has to run.
    Alive,
}

/// The same as asked for: what is absent keeps its value, or has its default in a new service.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct HealthcheckChange {
    /// Path of an HTTP GET; null for the image's HEALTHCHECK, or a plain connection where it has none.
    #[serde(default, deserialize_with = "super::change::present")]
    #[schema(value_type = Option<String>, example = "/healthz")]
    path: Option<Option<String>>,
    /// Port to ask; null for the service's first.
    #[serde(default, deserialize_with = "super::change::present")]
    #[schema(value_type = Option<u16>, minimum = 1)]
    port: Option<Option<core::Port>>,
    /// The `Host` of the request; null for `localhost`.
    #[serde(default, deserialize_with = "super::change::present")]
    #[schema(value_type = Option<String>, example = "shop.example")]
    host: Option<Option<String>>,
    /// The statuses that are good; null for 200-399.
    #[serde(default, deserialize_with = "super::change::present")]
    #[schema(value_type = Option<String>, example = "200-299")]
    status: Option<Option<core::Statuses>>,
    /// Seconds between two questions to a healthy instance; by default what the image says of its HEALTHCHECK, else
    /// 30 where that is run and 5 elsewhere.
    #[schema(value_type = Option<f64>, example = 5)]
    interval_seconds: Option<Seconds>,
    /// Seconds that one answer may take; by default what the image says of its HEALTHCHECK, else 30 where that is
    /// run and 2 elsewhere.
    #[schema(value_type = Option<f64>, example = 2)]
    timeout_seconds: Option<Seconds>,
    /// Seconds that a new instance has until its first good answer; by default 60 and the start period of the
    /// image's HEALTHCHECK.
    #[schema(value_type = Option<f64>, example = 60)]
    start_timeout_seconds: Option<Seconds>,
    /// Bad answers in a row that make a healthy instance unhealthy; by default what the image says of its
    /// HEALTHCHECK, else 3.
    threshold: Option<u32>,
}

/// Limits of each instance.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Resources {
    /// Memory in bytes; null is unlimited.
    #[schema(value_type = Option<u64>, example = 268_435_456)]
    memory: Option<Memory>,
    /// Cores; null is unlimited.
    #[schema(value_type = Option<f64>, example = 0.5)]
    cpu: Option<Cores>,
    /// Processes and threads.
    pids: u32,
}

/// The same as asked for: what is absent keeps its value, null takes the limit away.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ResourcesChange {
    /// Bytes, or text with a unit in powers of 1024.
    #[serde(default, deserialize_with = "super::change::present")]
    #[schema(value_type = Option<String>, example = "256MiB")]
    memory: Option<Option<Memory>>,
    /// Cores.
    #[serde(default, deserialize_with = "super::change::present")]
    #[schema(value_type = Option<f64>, example = 0.5)]
    cpu: Option<Option<Cores>>,
    /// Processes and threads; 4096 by default.
    pids: Option<u32>,
}

/// How a service changes from one deployment to the next.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rollout {
    /// Instances beyond those wanted that may run meanwhile; null starts all new ones at once.
    surge: Option<u32>,
    /// Seconds that the old instances stay after the traffic has moved.
    overlap_seconds: u32,
    /// Seconds that an instance without new requests has to finish those it has.
    drain_seconds: u32,
}

/// The same as asked for: what is absent keeps its value, or has its default in a new service.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RolloutChange {
    /// Instances beyond those wanted that may run meanwhile, from 1. With fewer than are wanted they are
    /// replaced in turns; null starts all new ones at once.
    #[serde(default, deserialize_with = "super::change::present")]
    #[schema(value_type = Option<u32>, minimum = 1)]
    surge: Option<Option<u32>>,
    /// Seconds that the old instances stay after the traffic has moved; 0 by default.
    #[schema(maximum = 3600)]
    overlap_seconds: Option<u32>,
    /// Seconds that an instance without new requests has to finish those it has; 30 by default.
    #[schema(maximum = 3600)]
    drain_seconds: Option<u32>,
}

/// What happens when the process exits.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum RestartPolicy {
    /// Started again after a failure, up to ten times in a row.
    OnFailure,
    /// Started again whenever it exits.
    Always,
    /// Left as it is.
    Never,
}

impl Healthcheck {
    /// What this probe, this question and these times come to.
    pub(crate) fn new(probe: &core::Probe, check: &core::Check, timing: core::Timing) -> Self {
        Self {
            check: check.to_string(),
            kind: match check {
                core::Check::Http { .. } => CheckKind::Http,
                core::Check::Command { .. } => CheckKind::Command,
                core::Check::Tcp { .. } => CheckKind::Tcp,
                core::Check::Alive => CheckKind::Alive,
            },
            path: probe.path.clone(),
            port: probe.port,
            host: probe.host.clone(),
            status: probe.expected.clone(),
            interval_seconds: Seconds(timing.interval_millis),
            timeout_seconds: Seconds(timing.timeout_millis),
            start_timeout_seconds: Seconds(timing.budget_millis),
            threshold: timing.threshold,
        }
    }
}

impl HealthcheckChange {
    /// The probe that `current` becomes.
    pub(crate) fn apply(self, current: &core::Probe) -> core::Probe {
        let millis = |wanted: Option<Seconds>, now| wanted.map_or(now, |seconds| Some(seconds.0));
        core::Probe {
            path: self.path.unwrap_or_else(|| current.path.clone()),
            port: self.port.map_or(current.port, |port| port.map(core::Port::get)),
            host: self.host.unwrap_or_else(|| current.host.clone()),
            expected: self.status.unwrap_or_else(|| current.expected.clone()),
            interval_millis: millis(self.interval_seconds, current.interval_millis),
            timeout_millis: millis(self.timeout_seconds, current.timeout_millis),
            budget_millis: millis(self.start_timeout_seconds, current.budget_millis),
            threshold: self.threshold.or(current.threshold),
        }
    }
}

impl From<&core::Resources> for Resources {
    fn from(resources: &core::Resources) -> Self {
        Self {
            memory: resources.memory_bytes.map(Memory),
            cpu: resources.cpu_millis.map(Cores),
            pids: resources.pids,
        }
    }
}

impl ResourcesChange {
    /// The limits that `current` becomes.
    pub(crate) fn apply(self, current: &core::Resources) -> core::Resources {
        core::Resources {
            memory_bytes: self.memory.map_or(current.memory_bytes, |memory| memory.map(|it| it.0)),
            cpu_millis: self.cpu.map_or(current.cpu_millis, |cpu| cpu.map(|it| it.0)),
            pids: self.pids.unwrap_or(current.pids),
        }
    }
}

impl From<&core::Rollout> for Rollout {
    fn from(rollout: &core::Rollout) -> Self {
        let core::Rollout { surge, overlap_seconds, drain_seconds } = *rollout;
        Self { surge, overlap_seconds, drain_seconds }
    }
}

impl RolloutChange {
    /// The rollout that `current` becomes.
    pub(crate) fn apply(self, current: &core::Rollout) -> core::Rollout {
        core::Rollout {
            surge: self.surge.unwrap_or(current.surge),
            overlap_seconds: self.overlap_seconds.unwrap_or(current.overlap_seconds),
            drain_seconds: self.drain_seconds.unwrap_or(current.drain_seconds),
        }
    }
}

impl From<core::RestartPolicy> for RestartPolicy {
    fn from(policy: core::RestartPolicy) -> Self {
        match policy {
            core::RestartPolicy::OnFailure => Self::OnFailure,
            core::RestartPolicy::Always => Self::Always,
            core::RestartPolicy::Never => Self::Never,
        }
    }
}

impl From<RestartPolicy> for core::RestartPolicy {
    fn from(policy: RestartPolicy) -> Self {
        match policy {
            RestartPolicy::OnFailure => Self::OnFailure,
            RestartPolicy::Always => Self::Always,
            RestartPolicy::Never => Self::Never,
        }
    }
}
