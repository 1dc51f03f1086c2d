//! How far a pull is, counted by those who move and read by who reports.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mirage_core::Digest;
use mirage_core::port::{Progress, PullProgress};
use tokio::time::{MissedTickBehavior, interval};

/// The shortest time between two reports.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// The layers of one pull that have to be moved.
pub(crate) struct Tally {
    layers_total: u32,
    moving: Vec<(Digest, u64, Arc<AtomicU64>)>,
}

impl Tally {
    /// For an image of `layers_total` layers. `moving`: digest, size, and the counter of what arrived.
    pub(crate) fn new(layers_total: usize, moving: Vec<(Digest, u64, Arc<AtomicU64>)>) -> Self {
        Self { layers_total: layers_total as u32, moving }
    }

    /// Bytes to be moved.
    pub(crate) fn bytes_total(&self) -> u64 {
        self.moving.iter().map(|(_, size, _)| *size).fold(0, u64::saturating_add)
    }

    /// How far it is now.
    pub(crate) fn snapshot(&self) -> PullProgress {
        let layer = |(digest, size, arrived): &(Digest, u64, Arc<AtomicU64>)| {
            (digest.clone(), *size, arrived.load(Ordering::Relaxed).min(*size))
        };
        let layers: Vec<_> = self.moving.iter().map(layer).collect();
        PullProgress {
            layers_total: self.layers_total,
            layers_moved: layers.len() as u32,
            bytes_total: self.bytes_total(),
            bytes_done: layers.iter().map(|(_, _, arrived)| *arrived).fold(0, u64::saturating_add),
            layers,
        }
    }

    /// Waits for `work`, telling `progress` how far it is: at the start, now and then where something
    /// has changed, and at the end.
    pub(crate) async fn report_while<T>(&self, progress: &dyn Progress, work: impl Future<Output = T>) -> T {
        let mut ticks = interval(REPORT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut work = std::pin::pin!(work);
        let mut last = None;
        loop {
            let done = tokio::select! {
                biased;
                done = &mut work => Some(done),
                _ = ticks.tick() => None,
            };
            let now = self.snapshot();
            if last.as_ref() != Some(&now) {
                progress.report(&now);
            }
            match done {
                Some(done) => return done,
                None => last = Some(now),
            }
        }
    }
}
