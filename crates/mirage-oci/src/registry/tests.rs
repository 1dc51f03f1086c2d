//! The registry as its clients see it: plain HTTP for every rule, and real clients for the whole.

pub(crate) mod bench;
mod pulling;
mod pushing;
mod real_clients;
mod rights;
mod through;
mod trouble;
mod uploading;
