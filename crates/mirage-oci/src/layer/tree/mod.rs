//! What a layer's entries mean together: a tree in memory, whose files' bytes lie elsewhere.
//!
//! Here, and only here, names are resolved: links within the layer, names that come twice, whiteouts
//! and opaque folders. Nothing of it touches the disk, so no name of an archive can lead anywhere.

mod apply;
mod listing;
mod names;
mod node;
mod resolve;
#[cfg(test)]
mod tests;
mod xattrs;

pub(super) use apply::Applied;
pub(super) use listing::Listing;
pub(super) use node::{Attributes, DeviceKind, Node, NodeId, NodeKind};
pub(super) use xattrs::{KeptXattr, Namespace};

use names::{Names, Span};

use super::error::LayerError;
use super::limits::LayerLimits;

/// The root of the layer.
pub(super) const ROOT: NodeId = 0;

/// A layer in memory.
pub(super) struct Tree {
    nodes: Vec<Node>,
    names: Names,
    xattrs: Vec<xattrs::Stored>,
    max_nodes: usize,
    max_depth: u16,
}

impl Tree {
    /// An empty layer: a root that belongs to root and that everybody may read.
    pub(super) fn new(limits: &LayerLimits) -> Self {
        let root = Node {
            attributes: Attributes::implied(),
            xattrs: 0..0,
            kind: NodeKind::Directory { parent: ROOT, depth: 0, opaque: false },
        };
        Self {
            nodes: vec![root],
            names: Names::new(limits.max_entries, limits.max_metadata_bytes),
            xattrs: Vec::new(),
            max_nodes: limits.max_entries as usize,
            max_depth: limits.max_depth,
        }
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    pub(super) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The bytes of a link target.
    pub(super) fn text(&self, span: Span) -> &[u8] {
        self.names.text(span)
    }

    fn add(&mut self, node: Node) -> Result<NodeId, LayerError> {
        if self.nodes.len() >= self.max_nodes {
            return Err(LayerError::more_than("entries", self.max_nodes as u64));
        }
        self.nodes.push(node);
        Ok((self.nodes.len() - 1) as NodeId)
    }
}
