//! What the proxy counts of a service's requests: numbers that only grow.

use serde::{Deserialize, Serialize};

use crate::id::ServiceId;

/// Bounds of the latency buckets in microseconds: half a millisecond, and from there twice as much each
/// time, up to 32.768 s. What took longer is in one bucket more.
pub const LATENCY_BOUNDS_MICROS: [u64; 17] = {
    let mut bounds = [500; 17];
    let mut at = 1;
    while at < bounds.len() {
        bounds[at] = bounds[at - 1] * 2;
        at += 1;
    }
    bounds
};

/// Buckets, with the one for whatever took longer than the last bound.
pub const LATENCY_BUCKETS: usize = LATENCY_BOUNDS_MICROS.len() + 1;

/// A proxy process. Another process is another one also where the kernel gives it the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyProcess {
    /// Its number.
    pub pid: u32,
    /// Drawn at its start.
    pub nonce: u64,
}

/// How far a reader has read a process's counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficMark {
    /// Whose counts.
    pub process: ProxyProcess,
    /// What the process answered last time.
    pub mark: u64,
}

/// What one proxy process has counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessTraffic {
    /// Which process.
    pub process: ProxyProcess,
    /// To be sent with the next question, so that only what changed after this is answered.
    pub mark: u64,
    /// Client connections open now.
    pub connections: u64,
    /// Requests that no service could be found for.
    pub unrouted: u64,
    /// The services whose counts have changed since the reader's mark.
    pub services: Vec<ServiceTraffic>,
}

/// What one proxy process has counted of one service, since it first routed to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceTraffic {
    /// Which service.
    pub service: ServiceId,
    /// The counts.
    pub counts: TrafficCounts,
}

/// Requests of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TrafficCounts {
    /// Responses with a status of 1xx (a connection that left HTTP), 2xx, 3xx, 4xx, 5xx, the proxy's own
    /// among them.
    pub classes: [u64; 5],
    /// Those that the proxy itself answered because no instance did: 502, 503, 504.
    pub proxy_errors: [u64; 3],
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of response bodies that instances sent.
    pub bytes_out: u64,
    /// From the end of the request's head to the head of its response.
    pub latency: LatencyCounts,
}

/// How long requests took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LatencyCounts {
    /// How many took no longer than each of [`LATENCY_BOUNDS_MICROS`] and longer than the one before it.
    pub buckets: [u64; LATENCY_BUCKETS],
    /// All of them together, in microseconds.
    pub sum_micros: u64,
}

impl TrafficCounts {
    /// Responses of all classes.
    pub fn requests(&self) -> u64 {
        self.classes.iter().sum()
    }

    /// What was added after `before`. Counts that have fallen began anew in between.
    pub fn since(&self, before: &Self) -> Self {
        if self.numbers().zip(before.numbers()).any(|(now, before)| now < before) {
            return *self;
        }
        let mut added = *self;
        for (now, before) in added.numbers_mut().zip(before.numbers()) {
            *now -= before;
        }
        added
    }

    /// Adds what somebody else counted.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.numbers_mut().zip(other.numbers()) {
            *sum = sum.saturating_add(more);
        }
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.numbers().all(|number| number == 0)
    }

    /// Every number, in the order in which they are declared.
    pub fn numbers(&self) -> impl Iterator<Item = u64> + '_ {
        let ends = [self.bytes_in, self.bytes_out];
        let latency = self.latency.buckets.iter().copied().chain([self.latency.sum_micros]);
        self.classes.iter().chain(&self.proxy_errors).copied().chain(ends).chain(latency)
    }

    /// The same, to be changed.
    pub fn numbers_mut(&mut self) -> impl Iterator<Item = &mut u64> {
        let LatencyCounts { buckets, sum_micros } = &mut self.latency;
        let bytes = [&mut self.bytes_in, &mut self.bytes_out];
        let statuses = self.classes.iter_mut().chain(&mut self.proxy_errors);
        statuses.chain(bytes).chain(buckets).chain([sum_micros])
    }
}

impl LatencyCounts {
    /// The bucket that a duration falls into.
    pub fn bucket(micros: u64) -> usize {
        // 500 µs · 2ⁿ is the bound of bucket n.
        let halves = micros.saturating_sub(1) / LATENCY_BOUNDS_MICROS[0];
        (u64::BITS - halves.leading_zeros()).min(LATENCY_BUCKETS as u32 - 1) as usize
    }

    /// The duration, in microseconds, that this share (0 to 1) of the requests did not exceed, within
    /// its bucket by its place there; `None` without requests. The last bucket answers with its lower bound.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let all: u64 = self.buckets.iter().sum();
        let wanted = (share.clamp(0.0, 1.0) * all as f64).ceil().max(1.0) as u64;
        let (mut seen, mut lower) = (0, 0);
        for (at, count) in self.buckets.iter().enumerate().filter(|_| all > 0) {
            let Some(upper) = LATENCY_BOUNDS_MICROS.get(at) else { return Some(lower) };
            if seen + count >= wanted {
                return Some(lower + (upper - lower) * (wanted - seen) / (*count).max(1));
            }
            (seen, lower) = (seen + count, *upper);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_has_the_bucket_whose_bound_it_does_not_exceed() {
        for micros in (0..40_000_000).step_by(373).chain(LATENCY_BOUNDS_MICROS) {
            let by_search = LATENCY_BOUNDS_MICROS.iter().position(|bound| micros <= *bound);
            assert_eq!(LatencyCounts::bucket(micros), by_search.unwrap_or(LATENCY_BUCKETS - 1), "{micros}");
        }
        assert_eq!(LatencyCounts::bucket(u64::MAX), LATENCY_BUCKETS - 1);
    }

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        let mut latency = LatencyCounts::default();
        assert_eq!(latency.quantile(0.5), None);
        latency.buckets[0] = 90;
        latency.buckets[3] = 10;
        assert_eq!(latency.quantile(0.5), Some(277));
        assert!((2_000..=4_000).contains(&latency.quantile(0.95).unwrap()));
        latency.buckets = [0; LATENCY_BUCKETS];
        latency.buckets[LATENCY_BUCKETS - 1] = 1;
        assert_eq!(latency.quantile(0.99), Some(32_768_000));
    }

    #[test]
    fn counts_that_began_anew_count_from_nothing() {
        let before = TrafficCounts { classes: [0, 5, 0, 0, 1], bytes_in: 7, ..TrafficCounts::default() };
        let mut now = before;
        now.add(&TrafficCounts { classes: [0, 2, 0, 0, 0], bytes_out: 3, ..TrafficCounts::default() });
        let added = now.since(&before);
        assert_eq!((added.requests(), added.bytes_in, added.bytes_out), (2, 0, 3));
        assert_eq!(before.since(&now), before);
        assert!(now.since(&now).is_empty());
    }
}
