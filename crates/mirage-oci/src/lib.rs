//! Images: the registry client, the content store, the built-in registry.

#[cfg_attr(not(test), expect(dead_code, reason = "the client has no logins yet"))]
mod auth;
pub mod client;

pub mod content;
mod hash;
pub mod layer;
pub mod pull;
pub mod registry;
