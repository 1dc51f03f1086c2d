//! How the control plane and the proxy talk: a unix socket, a JSON object per line.

mod client;
mod descriptors;
mod leftovers;
mod predecessors;
mod server;
mod succession;
mod wire;

pub use client::ProxyHandle;
pub(crate) use client::SUCCESSION_MESSAGE;
pub use descriptors::{receive as receive_sockets, send as send_sockets};
pub use leftovers::sweep;
pub(crate) use predecessors::{Lifeline, Predecessor, Predecessors};
pub use predecessors::{is_inhabited, living};
pub(crate) use server::{ControlSocket, serve};
pub(crate) use succession::{STEP, Succession, take_over};
pub use wire::Status;
pub(crate) use wire::{Inheritance, InheritedSocket, SocketUse};
