//! What instances use.

use mirage_core::{InstanceId, InstanceUsage, Result};

use super::{Inner, fault};

/// What these instances use now; blocks for some 50 µs for each. Those that do not run are left out, and
/// one that ends at this moment may be there with zeros.
pub(super) fn of(inner: &Inner, ids: &[InstanceId]) -> Result<Vec<InstanceUsage>> {
    let network =
        inner.network.usage().map_err(|error| fault("read what instances sent over their network", error))?;
    let running = |id: &InstanceId| inner.get(*id).is_some_and(|instance| instance.view().pid.is_some());
    let one = |id: &InstanceId| {
        let used = inner.hierarchies.group(&inner.cgroup(*id)).ok()?.usage();
        let moved = network.get(id).copied().unwrap_or_default();
        Some(InstanceUsage {
            instance: *id,
            cpu_micros: used.cpu_micros,
            memory_bytes: used.working_set_bytes,
            received_bytes: moved.received,
            sent_bytes: moved.sent,
        })
    };
    Ok(ids.iter().filter(|id| running(id)).filter_map(one).collect())
}
