//! The things a layer is made of.

use std::ops::Range;

use super::names::Span;
use crate::layer::tar::Time;

/// A node's number; the root's is 0.
pub(in crate::layer) type NodeId = u32;

/// A file, folder, link or device. It may have several names, or none any more.
#[derive(Clone, Debug)]
pub(in crate::layer) struct Node {
    pub(in crate::layer) attributes: Attributes,
    /// Its extended attributes, in the tree's list of all of them.
    pub(super) xattrs: Range<u32>,
    pub(in crate::layer) kind: NodeKind,
}

/// Who owns a node, who may use it, and when it changed.
#[derive(Clone, Copy, Debug)]
pub(in crate::layer) struct Attributes {
    /// The lower twelve bits.
    pub(in crate::layer) mode: u16,
    pub(in crate::layer) uid: u32,
    pub(in crate::layer) gid: u32,
    pub(in crate::layer) modified: Time,
}

impl Attributes {
    /// Of folders that entries only imply: what containerd gives them, but always at the same time.
    pub(super) fn implied() -> Self {
        Self { mode: 0o755, uid: 0, gid: 0, modified: Time::default() }
    }
}

/// What a node is.
#[derive(Clone, Copy, Debug)]
pub(in crate::layer) enum NodeKind {
    Directory {
        parent: NodeId,
        depth: u16,
        /// Hides what lower layers have in it.
        opaque: bool,
    },
    File {
        size: u64,
        /// Where its bytes are, in the terms of whoever wrote them.
        place: u64,
    },
    Symlink(Span),
    Device {
        kind: DeviceKind,
        major: u32,
        minor: u32,
    },
    Fifo,
    /// Hides this name of lower layers.
    Whiteout,
}

/// How a device is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::layer) enum DeviceKind {
    Character,
    Block,
}

impl Node {
    pub(in crate::layer) fn is_directory(&self) -> bool {
        matches!(self.kind, NodeKind::Directory { .. })
    }

    /// Type and permissions as `stat` shows them. A whiteout is overlayfs's: a device 0/0.
    pub(in crate::layer) fn full_mode(&self) -> u16 {
        let kind = match self.kind {
            NodeKind::Fifo => 0o010_000,
            NodeKind::Device { kind: DeviceKind::Character, .. } | NodeKind::Whiteout => 0o020_000,
            NodeKind::Directory { .. } => 0o040_000,
            NodeKind::Device { kind: DeviceKind::Block, .. } => 0o060_000,
            NodeKind::File { .. } => 0o100_000,
            NodeKind::Symlink(_) => 0o120_000,
        };
        kind | self.attributes.mode
    }
}
