//! Images: the registry client, the content store, the built-in registry.

pub mod archive;
mod auth;
pub mod client;
pub mod content;
mod folder;
mod hash;
pub mod layer;
pub mod pull;
pub mod registry;
