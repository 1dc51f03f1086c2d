//! The registry client: what a reference means, and the bytes behind it.

mod annotations;
pub(crate) mod answer;
mod artifact;
mod attached;
mod blob;
mod challenge;
mod choice;
mod config;
mod documents;
mod fault;
mod held;
mod link;
mod local;
mod login;
mod manifest;
mod media;
mod mirror;
pub(crate) mod options;
mod platform;
mod quota;
mod recent;
mod remote;
mod report;
mod resolve;
pub(crate) mod retry;
#[cfg(test)]
pub(crate) mod script;
mod tags;
#[cfg(test)]
mod tests;
mod together;
mod tokens;
pub(crate) mod transport;
mod turns;

pub use config::ConfigDocument;
pub use local::OwnRegistry;
pub use manifest::{Descriptor, Document, Index, IndexEntry, Layer, Manifest};
pub use mirror::Mirror;
pub use options::{Authority, RegistryOptions, RetryOptions};
pub use platform::{Content, PlatformRegistry};
pub use reqwest::Url;
pub use resolve::RegistryClient;

pub(crate) use blob::{BlobFetcher, BlobSink};
pub(crate) use documents::Documents;
pub(crate) use fault::{Fault, Refusal};
pub(crate) use link::Link;
pub(crate) use mirror::Resting;
pub(crate) use options::{MAX_CONFIG_BYTES, MAX_INDEX_ENTRIES, MAX_LAYERS, MAX_MANIFEST_BYTES};
pub(crate) use remote::{RemoteImage, Source};
pub(crate) use report::report;
