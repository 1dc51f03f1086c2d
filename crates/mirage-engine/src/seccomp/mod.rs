//! Which system calls a container may make: the rules of Docker's default profile, as a program for
//! the kernel's filter and as a section of the OCI runtime specification.
//!
//! `docs/decisions/0005-seccomp.md` says where the rules come from and why there is no library.

mod install;
mod numbers;
mod oci;
mod profile;
mod program;

pub use install::install;
pub use oci::oci_profile;
pub use program::{Machine, program};

#[cfg(test)]
mod tests;
