//! A service manager that starts Mirage, as systemd does: the sockets it opened, and what it wants to hear.

mod notify;
mod sockets;

pub(crate) use notify::Manager;
pub(crate) use sockets::Handed;
