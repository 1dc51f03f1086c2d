//! The tar archive: headers of every dialect that images come in, and the bytes of their files.
//!
//! Where dialects leave room, this reads as Go's `archive/tar` does, because that is what Docker and
//! containerd read images with, and two readings of one archive are an attacker's tool.

mod entry;
mod header;
mod number;
mod pax;
mod reader;
mod sparse;
mod stream;
#[cfg(test)]
mod tests;

pub(super) use entry::{Entry, EntryKind, Time, Xattr};
pub(super) use reader::TarReader;
