//! The test bed: real parts around the real binary, on loopback, cleaned up when they are dropped.
//!
//! [`Registry`] is Debian's `docker-registry`; [`Image`] makes OCI layouts from files of this
//! machine, and skopeo pushes them, so that bytes and registry are somebody else's; [`Platform`]
//! is `mirage serve` as a user starts it.

mod authority;
mod canary;
mod certificate;
mod clock;
mod containers;
mod disk;
mod docker;
mod elf;
pub mod http;
mod image;
mod layer;
mod platform;
mod ports;
mod process;
mod registry;
pub mod residue;
mod services;
mod skip;
mod wait;
mod web;

pub use authority::Authority;
pub use canary::{CANARY_USER, Canary};
pub use clock::Clock;
pub use containers::{Container, containers};
pub use docker::{Docker, until_200};
pub use elf::{fork_bomb, syscall_number, syscall_program};
pub use image::{Image, Index, Layout};
pub use layer::{Compression, Layer};
pub use platform::{Cli, Platform, PlatformOptions};
pub use ports::free_port;
pub use process::{Process, is_installed, run};
pub use registry::{Access, Registry};
pub use skip::{fuzz_seconds, may_run_as_root, skipped};
pub use wait::eventually;
pub use web::{Temper, web};
