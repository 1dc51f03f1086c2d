//! Logins that a registry does not take as they are stored: what is made of them first.

pub(crate) mod ecr;
mod sigv4;
