//! What a service did and used in a stretch of time.

use jiff::Timestamp;

use crate::traffic::TrafficCounts;

/// One service in one stretch of time, all its instances together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricPoint {
    /// When the stretch began.
    pub time: Timestamp,
    /// How many seconds of it were looked at: fewer than it has where the control process was not there.
    pub seconds: u32,
    /// What happened in it.
    pub figures: Figures,
}

/// What happened in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Processor time that was used, in microseconds.
    pub cpu_micros: u64,
    /// The most memory that was held at once, in bytes, as [`crate::InstanceUsage`] counts it.
    pub memory_bytes: u64,
    /// Bytes that came in over the network of the instances.
    pub received_bytes: u64,
    /// Bytes that went out over it.
    pub sent_bytes: u64,
    /// Requests that came through the proxy.
    pub traffic: TrafficCounts,
}

impl Figures {
    /// Adds what happened in another stretch, right before or after.
    pub fn add(&mut self, other: &Self) {
        self.cpu_micros = self.cpu_micros.saturating_add(other.cpu_micros);
        self.memory_bytes = self.memory_bytes.max(other.memory_bytes);
        self.received_bytes = self.received_bytes.saturating_add(other.received_bytes);
        self.sent_bytes = self.sent_bytes.saturating_add(other.sent_bytes);
        self.traffic.add(&other.traffic);
    }
}
