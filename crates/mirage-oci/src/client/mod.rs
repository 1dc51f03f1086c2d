//! The registry client: what a reference means, and the bytes behind it.

mod answer;
mod blob;
mod challenge;
mod choice;
mod config;
mod documents;
mod fault;
mod link;
mod local;
mod manifest;
mod media;
mod options;
mod platform;
mod recent;
mod report;
mod resolve;
mod retry;
#[cfg(test)]
pub(crate) mod script;
#[cfg(test)]
mod tests;
mod tokens;
mod transport;
mod turns;

pub use config::ConfigDocument;
pub use local::OwnRegistry;
pub use manifest::{Descriptor, Document, Index, IndexEntry, Layer, Manifest};
pub use options::{Authority, RegistryOptions, RetryOptions};
pub use platform::{Content, PlatformRegistry};
pub use resolve::RegistryClient;

pub(crate) use blob::{BlobFetcher, BlobSink};
pub(crate) use fault::Fault;
pub(crate) use options::{MAX_CONFIG_BYTES, MAX_INDEX_ENTRIES, MAX_LAYERS, MAX_MANIFEST_BYTES};
pub(crate) use report::report;
