//! What services do and use: looked at every ten seconds, kept for a week.

mod meter;
mod proxies;
mod recent;
mod usages;

use std::collections::HashMap;

use jiff::Timestamp;
use mirage_core::{Code, Error, MetricPoint, Phase, Result, ServiceId, TrafficCounts};
use mirage_store::{Sample, ServicePath};

pub(crate) use meter::Meter;

use crate::Control;
use crate::access::{Action, Actor};
use crate::find::ServiceRef;

/// The shortest stretch of time that a point may stand for, in seconds: how often is looked.
pub const FINEST_STEP: u32 = 10;

/// The most points of one answer.
pub const METRIC_POINTS_MAX: i64 = 2_000;

/// Steps that are chosen from where none is asked for.
const STEPS: [u32; 8] = [10, 60, 300, 600, 1_800, 3_600, 10_800, 21_600];

/// Points that a chosen step aims at.
const POINTS_WANTED: i64 = 120;

/// An hour, where no time is asked for.
const USUAL_SPAN: i64 = 3_600;

/// Which metrics of a service are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct MetricQuery {
    /// From when on; an hour before the end where not said.
    pub since: Option<Timestamp>,
    /// Until when; now where not said.
    pub until: Option<Timestamp>,
    /// How many seconds a point stands for; chosen by the time asked for where not said.
    pub step_seconds: Option<u32>,
}

/// What a service did and used, in stretches of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricSeries {
    /// Where the first stretch may begin.
    pub since: Timestamp,
    /// Where the last one ends.
    pub until: Timestamp,
    /// How many seconds a stretch has. Of times that are kept in longer ones only, there are fewer points.
    pub step_seconds: u32,
    /// The stretches of which something is known, in order.
    pub points: Vec<MetricPoint>,
}

/// Everything a monitoring system asks for, at one moment. What is counted is counted since the control
/// process started.
#[derive(Clone, Debug, Default)]
pub struct PlatformMetrics {
    /// The services, by project, environment and name.
    pub services: Vec<ServiceTotals>,
    /// How many deployments are in which phase.
    pub deployments: Vec<(Phase, u64)>,
    /// How often the reconciler looked at a service.
    pub rounds: u64,
    /// The number of the newest event.
    pub events: i64,
    /// Client connections at the proxy.
    pub connections: u64,
    /// Requests that no service could be found for.
    pub unrouted: u64,
    /// Proxy processes that answer: two while one takes over from another.
    pub proxies: usize,
}

/// What one service has done since the control process started, and what it holds now.
#[derive(Clone, Debug)]
pub struct ServiceTotals {
    /// The service.
    pub service: ServicePath,
    /// Instances that run.
    pub instances: u32,
    /// The rest.
    pub totals: Totals,
}

/// What the instances of a service use, together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceUsage {
    /// Processor time in thousandths of a core.
    pub cpu_millis: u64,
    /// Memory in bytes.
    pub memory_bytes: u64,
}

impl ServiceUsage {
    fn of(sample: &Sample) -> Self {
        let seconds = u64::from(sample.seconds.max(1));
        Self {
            cpu_millis: sample.figures.cpu_micros / seconds / 1_000,
            memory_bytes: sample.figures.memory_bytes,
        }
    }
}

/// Sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Processor time in microseconds.
    pub cpu_micros: u64,
    /// Memory held now, in bytes.
    pub memory_bytes: u64,
    /// Bytes that came in over the network.
    pub received_bytes: u64,
    /// Bytes that went out over it.
    pub sent_bytes: u64,
    /// Requests.
    pub traffic: TrafficCounts,
}

impl Control {
    /// What a service did and used.
    ///
    /// # Errors
    /// `INVALID_REQUEST` where the time asked for has no length or too many steps.
    pub async fn metrics(
        &self,
        actor: &Actor,
        wanted: &ServiceRef,
        query: &MetricQuery,
    ) -> Result<MetricSeries> {
        self.allow(actor, Action::Read)?;
        let service = self.find(wanted).await?.id;
        let (since, until, step) = span(query, self.parts.clock.now())?;
        let recent = self.meter.recent(service, step);
        let stored_until = recent.begin.map_or(until, |begin| begin.min(until));
        let mut points = self.parts.store.metrics(service, since, stored_until).await?;
        let within = |point: &MetricPoint| (since..until).contains(&point.time.as_second());
        points.extend(recent.points.into_iter().filter(within));
        Ok(MetricSeries {
            since: second(since)?,
            until: second(until)?,
            step_seconds: step,
            points: fold(&points, i64::from(step)),
        })
    }

    /// What services use now, of those that something is known of. It is in memory, so asking for many costs little.
    pub async fn usage(
        &self,
        actor: &Actor,
        services: &[ServiceId],
    ) -> Result<HashMap<ServiceId, ServiceUsage>> {
        self.allow(actor, Action::Read)?;
        let found = self.meter.newest(services).into_iter();
        Ok(found.map(|(id, sample)| (id, ServiceUsage::of(&sample))).collect())
    }

    /// Everything at once, for monitoring systems.
    pub async fn platform_metrics(&self, actor: &Actor) -> Result<PlatformMetrics> {
        self.allow(actor, Action::Read)?;
        let paths = self.parts.store.service_paths().await?;
        let deployments = self.parts.store.deployments_by_phase().await?;
        let events = self.parts.store.newest_event().await?;
        let running = running(&self.parts.engine.list().await?);
        let mut metrics = self.meter.totals(|totals| {
            let of = |service: ServicePath| ServiceTotals {
                instances: running.get(&service.id).copied().unwrap_or(0),
                totals: totals.get(&service.id).copied().unwrap_or_default(),
                service,
            };
            paths.into_iter().map(of).collect()
        });
        metrics.deployments = deployments;
        metrics.events = events;
        metrics.rounds = self.parts.rounds.load(std::sync::atomic::Ordering::Relaxed);
        Ok(metrics)
    }
}

/// Beginning, end and step in seconds.
fn span(query: &MetricQuery, now: Timestamp) -> Result<(i64, i64, u32)> {
    let until = query.until.unwrap_or(now).as_second();
    let since = query.since.map_or(until - USUAL_SPAN, Timestamp::as_second);
    let refuse = |field: &str, why: String, hint: String| {
        Err(Error::new(Code::InvalidRequest, why).field(field).hint(hint))
    };
    if since >= until {
        return refuse("since", "`since` is not before `until`".into(), "leave `until` out for now".into());
    }
    let length = until - since;
    let chosen = || STEPS.into_iter().find(|step| length / i64::from(*step) <= POINTS_WANTED);
    let step = query.step_seconds.or_else(chosen).unwrap_or(STEPS[STEPS.len() - 1]);
    if step < FINEST_STEP {
        return refuse(
            "step",
            format!("`step` is shorter than {FINEST_STEP} seconds"),
            format!("{FINEST_STEP} is the least"),
        );
    }
    // An old beginning is no mistake: there is nothing before a week.
    let length = length.min(8 * 86_400);
    if length / i64::from(step) > METRIC_POINTS_MAX {
        let least = length / METRIC_POINTS_MAX + 1;
        return refuse(
            "step",
            format!(
                "{} points of {step} seconds are more than {METRIC_POINTS_MAX}",
                length / i64::from(step)
            ),
            format!("`step` takes {least} or more for this time; leave it out to have one chosen"),
        );
    }
    Ok((since, until, step))
}

/// Points of a step each, by adding those that begin in it.
fn fold(points: &[MetricPoint], step: i64) -> Vec<MetricPoint> {
    let mut folded: Vec<MetricPoint> = Vec::new();
    for point in points {
        let Ok(time) = Timestamp::from_second(point.time.as_second().div_euclid(step) * step) else {
            continue;
        };
        match folded.last_mut() {
            Some(last) if last.time == time => {
                last.seconds += point.seconds;
                last.figures.add(&point.figures);
            }
            _ => folded.push(MetricPoint { time, ..*point }),
        }
    }
    folded
}

fn second(second: i64) -> Result<Timestamp> {
    Timestamp::from_second(second).map_err(|error| Error::internal("tell the time", error))
}

/// How many instances of each service run.
fn running(reports: &[mirage_core::InstanceReport]) -> HashMap<ServiceId, u32> {
    let mut running = HashMap::new();
    for report in reports {
        if matches!(report.state, mirage_core::InstanceState::Running { .. }) {
            *running.entry(report.service).or_insert(0) += 1;
        }
    }
    running
}
