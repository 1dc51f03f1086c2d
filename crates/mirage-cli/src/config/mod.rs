//! What whoever starts Mirage chose.

pub mod env;
mod paths;

pub use paths::{data_dir, run_dir};
