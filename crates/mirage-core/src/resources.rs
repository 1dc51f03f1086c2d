//! Limits on what an instance may use.

use serde::{Deserialize, Serialize};

/// Limits on what one instance may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Memory in bytes, swap included; `None` is unlimited.
    pub memory_bytes: Option<u64>,
    /// Processor time in thousandths of a core; `None` is unlimited.
    pub cpu_millis: Option<u32>,
    /// Processes and threads.
    pub pids: u32,
}

impl Default for Resources {
    fn default() -> Self {
        Self { memory_bytes: None, cpu_millis: None, pids: 4096 }
    }
}
