//! What whoever starts Mirage chose.

pub(crate) mod env;
mod paths;

pub(crate) use paths::{data_dir, run_dir};
