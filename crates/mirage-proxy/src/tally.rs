//! What is counted of a service's requests, without threads disturbing each other.
//!
//! Each worker thread has counters of its own, which nobody else writes: a count is a load and a store
//! of ordinary memory, with no locked instruction. They are made with the first request, so a service
//! that nobody asks for costs a pointer a thread.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::StatusCode;
use mirage_core::{LatencyCounts, TrafficCounts};

/// How many numbers [`TrafficCounts`] has.
const NUMBERS: usize = 29;
const PROXY_ERRORS: usize = 5;
const BYTES_IN: usize = 8;
const BYTES_OUT: usize = 9;
const LATENCY: usize = 10;
const LATENCY_SUM: usize = NUMBERS - 1;

/// The counters of one service.
pub(crate) struct Tally {
    shards: Box<[OnceLock<Box<Shard>>]>,
}

/// Those of one worker thread, in the order of [`TrafficCounts::numbers`].
#[repr(align(64))]
struct Shard([AtomicU64; NUMBERS]);

impl Tally {
    /// Counters of nothing, for so many worker threads.
    pub(crate) fn new(workers: usize) -> Self {
        Self { shards: (0..workers).map(|_| OnceLock::new()).collect() }
    }

    /// Counts a response. `own` is for those that the proxy made because no instance answered.
    pub(crate) fn response(&self, worker: usize, status: StatusCode, took: Duration, own: bool) {
        let shard = self.shard(worker);
        let status = status.as_u16();
        shard.add(usize::from(status / 100).clamp(1, 5) - 1, 1);
        if own && (502..=504).contains(&status) {
            shard.add(PROXY_ERRORS + usize::from(status) - 502, 1);
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        shard.add(LATENCY + LatencyCounts::bucket(micros), 1);
        shard.add(LATENCY_SUM, micros);
    }

    /// Counts bytes of a request body.
    pub(crate) fn came_in(&self, worker: usize, bytes: u64) {
        self.shard(worker).add(BYTES_IN, bytes);
    }

    /// Counts bytes of a response body.
    pub(crate) fn went_out(&self, worker: usize, bytes: u64) {
        self.shard(worker).add(BYTES_OUT, bytes);
    }

    /// What all threads have counted.
    pub(crate) fn counts(&self) -> TrafficCounts {
        let mut counts = TrafficCounts::default();
        for shard in self.shards.iter().filter_map(OnceLock::get) {
            for (sum, more) in counts.numbers_mut().zip(&shard.0) {
                *sum += more.load(Relaxed);
            }
        }
        counts
    }

    fn shard(&self, worker: usize) -> &Shard {
        self.shards[worker].get_or_init(|| Box::new(Shard([const { AtomicU64::new(0) }; NUMBERS])))
    }
}

impl Shard {
    /// Only the shard's own thread adds to it.
    fn add(&self, at: usize, more: u64) {
        let number = &self.0[at];
        number.store(number.load(Relaxed).wrapping_add(more), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;

    #[test]
    fn every_number_is_counted_at_its_place() {
        assert_eq!(TrafficCounts::default().numbers().count(), NUMBERS);
        let tally = Tally::new(2);
        assert!(tally.counts().is_empty());
        tally.response(0, StatusCode::OK, Duration::from_micros(700), false);
        tally.response(1, StatusCode::BAD_GATEWAY, Duration::from_secs(60), true);
        tally.response(1, StatusCode::SERVICE_UNAVAILABLE, Duration::ZERO, false);
        tally.came_in(0, 3);
        tally.went_out(1, 4);
        let counts = tally.counts();
        assert_eq!((counts.classes, counts.proxy_errors), ([0, 1, 0, 0, 2], [1, 0, 0]));
        assert_eq!((counts.bytes_in, counts.bytes_out), (3, 4));
        let latency = counts.latency;
        assert_eq!([0, 1, 17].map(|at| latency.buckets[at]), [1, 1, 1]);
        assert_eq!(latency.sum_micros, 60_000_700);
    }

    #[test]
    fn threads_count_beside_each_other_without_losing_one() {
        let tally = Arc::new(Tally::new(2));
        let threads = [0, 1].map(|worker| {
            let tally = tally.clone();
            std::thread::spawn(move || {
                for _ in 0..10_000 {
                    tally.response(worker, StatusCode::OK, Duration::from_millis(1), false);
                }
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(tally.counts().requests(), 20_000);
    }

    #[test]
    #[ignore = "a measurement: `cargo test --release -p mirage-proxy what_a_count_costs -- --ignored --nocapture`"]
    fn what_a_count_costs() {
        let tally = Tally::new(1);
        let rounds = 10_000_000;
        let start = Instant::now();
        for _ in 0..rounds {
            let begun = Instant::now();
            tally.response(0, StatusCode::OK, begun.elapsed(), false);
            tally.went_out(0, 1);
        }
        println!(
            "{:.1} ns a request, two looks at the clock among them",
            start.elapsed().as_nanos() as f64 / f64::from(rounds)
        );
    }
}
