//! Where services run: the local engine, its shim, its network.
//!
//! [`local::LocalEngine`] is the front: it implements the core's port. It gives each instance a place
//! in its environment's [`network`] and starts a [`shim`] for it, a process of its own that runs the
//! container and outlives us; [`exec`] runs a command in one that runs. What the container may do is in
//! [`seccomp`] and `spec`; what it wrote is in [`logs`].

pub mod cgroup;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod exec;
mod finding;
pub mod local;
pub mod logs;
pub mod network;
mod process;
mod rootfs;
mod runtime;
pub mod seccomp;
pub mod shim;
mod spec;
pub mod stream;
pub mod volume;

pub use finding::{Finding, Level};
