//! What the tests of the faces stand on: a control plane that is real, and behind its ports a world small enough to
//! be understood at a glance. Nothing that is shipped depends on it.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a part of a test has to end the test")]

mod authority;
mod clock;
mod engine;
mod held;
mod logbook;
mod logs;
mod platform;
mod registry;
mod router;
mod volumes;
mod world;

pub use logbook::Logbook;
pub use platform::control;
pub use world::World;
