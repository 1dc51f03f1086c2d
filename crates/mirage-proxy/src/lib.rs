//! Routes in, bytes out: the HTTP proxy, the name service for instances, probes and draining.
//!
//! The proxy is a process of its own that outlives the control plane ([`run`]). Control talks to it
//! through a [`ProxyHandle`], which is the core's `Router`. The process has one control thread, for
//! the unix socket and the name service, and one worker thread per core, each with its own
//! listeners, connections and copy of the route table: nothing of a request crosses threads.

mod acme;
mod backend;
mod config;
mod control;
mod forward;
mod load;
mod names;
mod peers;
mod probe;
mod proxy;
mod published;
mod record;
mod run;
mod sockets;
mod tally;
#[cfg(test)]
mod tests;
mod tls;
mod worker;

pub use acme::{Acme, LETS_ENCRYPT};
pub use config::{Limits, MOST_WORKERS, NameConfig, ProxyConfig};
pub use control::{ProxyHandle, Status, is_inhabited, living, receive_sockets, send_sockets, sweep};
pub use load::Open;
pub use peers::PeerNetwork;
pub use record::ProxyRecord;
pub use run::{check_address, raise_file_limit, run};
