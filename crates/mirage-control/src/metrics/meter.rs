//! The one who looks: every ten seconds at what is cheap to see, once a minute into the database.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;
use mirage_core::fault::pause;
use mirage_core::{Figures, MetricPoint, Result, ServiceId};
use mirage_store::Sample;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{debug, warn};

use super::proxies::Proxies;
use super::recent::Recent;
use super::usages::Usages;
use super::{FINEST_STEP, PlatformMetrics, ServiceTotals, Totals};
use crate::events::Forgetting;
use crate::parts::Parts;

/// How often is looked.
const EVERY: Duration = Duration::from_secs(FINEST_STEP as u64);

/// How long minutes have to follow each other until a clock that was set back is believed: one that is behind for a
/// while, as before its machine has asked for the time, must not cost what was kept.
const BELIEVED: Duration = Duration::from_secs(1800);

/// Between two times that what is old is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// Minutes that wait for a database that cannot be written to.
const UNWRITTEN: usize = 10;

/// Knows what services do and use.
pub(crate) struct Meter {
    parts: Arc<Parts>,
    state: Mutex<State>,
    task: Mutex<Option<AbortHandle>>,
}

struct State {
    proxies: Proxies,
    usages: Usages,
    recent: Recent,
    totals: HashMap<ServiceId, Totals>,
    /// The minute that is being added up, in seconds since 1970, and what it came to until now.
    minute: i64,
    sums: HashMap<ServiceId, Sample>,
    /// Finished minutes that are not in the database yet, oldest first.
    finished: VecDeque<Minute>,
    looked_at: Option<Instant>,
    /// The minute that was written last, and since when they have followed each other.
    written: Option<(i64, Instant)>,
}

/// A finished minute.
type Minute = (i64, Vec<(ServiceId, Sample)>);

/// What is known of a service and not in the database, from a second on.
pub(super) struct Unwritten {
    /// From where on; `None` where nothing was seen yet.
    pub(super) begin: Option<i64>,
    /// The points.
    pub(super) points: Vec<MetricPoint>,
}

impl Meter {
    /// Begins to look.
    pub(crate) fn start(parts: Arc<Parts>) -> Arc<Self> {
        let meter = Arc::new(Self::new(parts));
        let task = tokio::spawn(run(Arc::downgrade(&meter)));
        *meter.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
        meter
    }

    /// Ends looking. What the last minute came to is lost.
    pub(crate) fn stop(&self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }

    fn new(parts: Arc<Parts>) -> Self {
        let now = parts.clock.now();
        let state = State {
            proxies: Proxies::default(),
            usages: Usages::new(now),
            recent: Recent::default(),
            totals: HashMap::new(),
            minute: now.as_second().div_euclid(60) * 60,
            sums: HashMap::new(),
            finished: VecDeque::new(),
            looked_at: None,
            written: None,
        };
        Self { parts, state: Mutex::new(state), task: Mutex::default() }
    }

    /// Looks once.
    async fn look(&self) -> Result<()> {
        let reports = self.parts.engine.list().await?;
        let (marks, ids) = {
            let mut state = self.lock();
            (state.proxies.marks(), state.usages.turn(&reports))
        };
        let usages = if ids.is_empty() { Vec::new() } else { self.parts.engine.usage(&ids).await? };
        let traffic = match self.parts.router.traffic(&marks).await {
            Ok(processes) => Some(processes),
            Err(error) => {
                debug!(?error, "the proxy did not say what it counted");
                None
            }
        };
        self.lock().add(self.parts.clock.now(), usages, traffic);
        // One that cannot be written now is tried again at the next look.
        while let Some((minute, points)) = self.first_finished() {
            self.write(minute, &points).await?;
            self.lock().finished.pop_front();
        }
        Ok(())
    }

    fn first_finished(&self) -> Option<Minute> {
        self.lock().finished.front().cloned()
    }

    async fn write(&self, minute: i64, points: &[(ServiceId, Sample)]) -> Result<()> {
        let since = match self.lock().written {
            Some((last, since)) if minute == last + 60 => since,
            _ => Instant::now(),
        };
        let mut tx = self.parts.store.begin().await?;
        tx.add_minute(minute, points).await?;
        if since.elapsed() >= BELIEVED {
            tx.forget_later_minutes(minute).await?;
        }
        tx.commit().await?;
        let living: std::collections::HashSet<_> =
            self.parts.store.service_ids().await?.into_iter().collect();
        let mut state = self.lock();
        state.written = Some((minute, since));
        state.totals.retain(|service, _| living.contains(service));
        state.proxies.retain(|service| living.contains(service));
        Ok(())
    }

    /// What is known of a service beside the database: the last hour where the step is shorter than a
    /// minute, else what came after the last minute that was written.
    pub(super) fn recent(&self, service: ServiceId, step: u32) -> Unwritten {
        let state = self.lock();
        let begin = state.recent.begin().map(|begin| match begin.div_euclid(60) * 60 {
            _ if step >= 60 => begin.max(state.minute),
            // The minute in which it begins is in the database as a whole.
            minute if minute < state.minute => minute + 60,
            _ => begin,
        });
        let points = begin.map(|begin| state.recent.of(service, begin)).unwrap_or_default();
        Unwritten { begin, points }
    }

    /// What was seen of services at the newest look, of those that something is known of.
    pub(super) fn newest(&self, services: &[ServiceId]) -> HashMap<ServiceId, Sample> {
        let state = self.lock();
        services.iter().filter_map(|id| Some((*id, state.recent.newest(*id)?))).collect()
    }

    /// The sums of everything, as `of` puts them together.
    pub(super) fn totals(
        &self,
        of: impl FnOnce(&HashMap<ServiceId, Totals>) -> Vec<ServiceTotals>,
    ) -> PlatformMetrics {
        let state = self.lock();
        PlatformMetrics {
            services: of(&state.totals),
            connections: state.proxies.connections,
            unrouted: state.proxies.unrouted,
            proxies: state.proxies.count(),
            ..PlatformMetrics::default()
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Adds what was seen.
    fn add(
        &mut self,
        now: Timestamp,
        usages: Vec<mirage_core::InstanceUsage>,
        traffic: Option<Vec<mirage_core::ProcessTraffic>>,
    ) {
        let mut seen: HashMap<ServiceId, Figures> = self.usages.read(usages);
        for (service, counts) in traffic.map(|it| self.proxies.read(it)).unwrap_or_default() {
            seen.entry(service).or_default().traffic.add(&counts);
        }
        let elapsed = self.looked_at.replace(Instant::now()).map(|before| before.elapsed());
        for (service, totals) in &mut self.totals {
            totals.memory_bytes = seen.get(service).map_or(0, |figures| figures.memory_bytes);
        }
        for (service, figures) in &seen {
            self.totals.entry(*service).or_default().add(figures);
        }
        // The first look says from where on to count, and nothing about a stretch of time.
        let Some(elapsed) = elapsed else { return };
        let seconds = u32::try_from(elapsed.as_secs_f64().round() as u64).unwrap_or(60).min(60);
        let second = now.as_second() - i64::from(seconds);
        self.turn_to(second.div_euclid(60) * 60);
        let points: HashMap<ServiceId, Sample> =
            seen.into_iter().map(|(service, figures)| (service, Sample { seconds, figures })).collect();
        for (service, point) in &points {
            let sum = self.sums.entry(*service).or_default();
            sum.seconds = (sum.seconds + point.seconds).min(60);
            sum.figures.add(&point.figures);
        }
        self.recent.add(second, points.iter());
    }

    /// Where another minute has begun, the one before is finished.
    fn turn_to(&mut self, minute: i64) {
        if minute == self.minute {
            return;
        }
        let finished = std::mem::replace(&mut self.minute, minute);
        if !self.sums.is_empty() {
            self.finished.push_back((finished, self.sums.drain().collect()));
        }
        while self.finished.len() > UNWRITTEN {
            self.finished.pop_front();
        }
    }
}

impl Totals {
    fn add(&mut self, figures: &Figures) {
        self.cpu_micros = self.cpu_micros.saturating_add(figures.cpu_micros);
        self.memory_bytes = figures.memory_bytes;
        self.received_bytes = self.received_bytes.saturating_add(figures.received_bytes);
        self.sent_bytes = self.sent_bytes.saturating_add(figures.sent_bytes);
        self.traffic.add(&figures.traffic);
    }
}

/// Looks until nobody wants to know any more.
async fn run(meter: Weak<Meter>) {
    let mut tick = interval(pause(EVERY));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut forgetting, mut forgotten) = (Forgetting::default(), Instant::now());
    loop {
        tick.tick().await;
        let Some(meter) = meter.upgrade() else { return };
        if let Err(error) = meter.look().await {
            warn!(?error, "what services use could not be read or kept");
        }
        if forgotten.elapsed() < pause(FORGET_EVERY) {
            continue;
        }
        forgotten = Instant::now();
        if let Err(error) = forgetting.round(&meter.parts).await {
            warn!(?error, "old events could not be forgotten");
        }
    }
}
