//! Pulling: from a pinned image to layers that can be mounted.
//!
//! Each layer goes in one pass from the connection through its digest into the content store; nothing
//! compressed touches the disk. What is here already is not moved, and two pulls that need one blob
//! at the same time move it once.

mod disk;
mod feed;
mod flights;
mod images;
mod layer;
mod tally;
#[cfg(test)]
mod tests;

pub(crate) use feed::Feed;
pub use images::{Images, Parts};
pub(crate) use tally::Tally;
