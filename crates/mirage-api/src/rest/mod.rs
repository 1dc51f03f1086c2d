//! The native REST face, below `/api`.

pub mod wire;
