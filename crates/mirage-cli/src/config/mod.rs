//! What whoever starts Mirage chose.

pub mod env;
mod paths;

pub use paths::{data_dir, docker_config, podman_logins, programs, run_dir};
