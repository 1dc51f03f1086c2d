//! Netlink: how the kernel is told about links, addresses, routes and packet filters.
//!
//! One small encoder serves both families we speak (routing and nf_tables), so that neither a
//! helper binary nor a second netlink library is needed. See docs/decisions/0004-network.md.

mod message;
mod socket;

pub(crate) use message::{Message, attributes};
pub(crate) use socket::{Family, Reply, Socket};
