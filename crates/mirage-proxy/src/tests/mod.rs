//! Stories: a real proxy on loopback, real backends behind it, real clients before it.

mod bed;
mod bodies;
mod control;
mod headers;
mod hostile;
mod leftovers;
mod names;
mod probes;
mod protocols;
mod routing;
mod succession;
mod tls;
mod tls_hostile;
mod traffic;
