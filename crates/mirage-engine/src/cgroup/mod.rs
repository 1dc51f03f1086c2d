//! Control groups: the one place that knows how v1, hybrid and v2 machines differ.
//!
//! libcontainer could do this too, but joins by writing a process id into `cgroup.procs`, for which
//! the kernel waits a grace period (10 ms on the machine where it was measured), and keeps no limit
//! whose controller sits on the other side of a hybrid machine. So it is not let near them.

mod device_program;
mod devices;
mod group;
mod hierarchy;
mod limits;
mod part;
mod usage;

#[cfg(test)]
mod tests;

pub(crate) use devices::ALLOWED as ALLOWED_DEVICES;
pub use group::Cgroup;
pub use hierarchy::{Hierarchies, Version};
pub use part::Part;
pub use usage::Usage;
