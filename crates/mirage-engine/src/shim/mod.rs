//! The shim: one small process per container, which outlives the control plane.
//!
//! Control executes `mirage shim <instance folder>`, which calls [`run`], and later talks to it over
//! a unix socket in that folder. The types here are what the two sides share.

mod children;
pub mod client;
mod clients;
#[cfg(test)]
mod compatible;
pub(crate) mod container;
pub(crate) mod launch;
mod life;
mod message;
mod output;
mod run;
pub mod signal;
mod spec;
pub mod state;
mod volumes;
mod watch;

pub use message::Request;
pub use run::run;
pub use spec::{BoundFile, BoundVolume, LogPlace, Process, ShimSpec};
pub use state::{Phase, ProcessMark, ShimState};
