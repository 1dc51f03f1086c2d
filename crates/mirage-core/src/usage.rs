//! What an instance uses of the machine.

use crate::id::InstanceId;

/// What one instance has used since it started, and what it holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstanceUsage {
    /// Which.
    pub instance: InstanceId,
    /// Processor time of all its processes since the start, in microseconds.
    pub cpu_micros: u64,
    /// Memory that it cannot do without, in bytes: what is charged to it less the file cache that the
    /// kernel would take first.
    pub memory_bytes: u64,
    /// Bytes that came to it over its network since the start.
    pub received_bytes: u64,
    /// Bytes that it sent over its network since the start.
    pub sent_bytes: u64,
}
