//! The finished tree in an order for writing.

use std::ops::Range;

use super::names::NameId;
use super::node::NodeId;
use super::{ROOT, Tree};

/// What can be reached from the root, sorted.
pub(in crate::layer) struct Listing<'a> {
    tree: &'a Tree,
    names: Vec<NameId>,
    /// Per node: where its names are, if it is a folder.
    children: Vec<Range<u32>>,
    /// Per node: how many names it has; none means that it is not part of the layer any more.
    links: Vec<u32>,
    order: Vec<NodeId>,
}

impl Tree {
    /// Sorts the tree.
    pub(in crate::layer) fn listing(&self) -> Listing<'_> {
        let names = self.names.sorted();
        let mut children = vec![0..0; self.nodes.len()];
        let mut at = 0;
        for group in names.chunk_by(|a, b| self.names.named(*a).parent == self.names.named(*b).parent) {
            let end = at + group.len() as u32;
            children[self.names.named(group[0]).parent as usize] = at..end;
            at = end;
        }
        let mut listing =
            Listing { tree: self, names, children, links: vec![0; self.nodes.len()], order: Vec::new() };
        listing.count();
        listing
    }
}

impl<'a> Listing<'a> {
    /// What it lists.
    pub(in crate::layer) fn tree(&self) -> &'a Tree {
        self.tree
    }

    /// Every node of the layer once, the root first and what shares a folder together.
    pub(in crate::layer) fn nodes(&self) -> &[NodeId] {
        &self.order
    }

    /// The names in a folder with what they stand for, in the order of their bytes.
    pub(in crate::layer) fn children(&self, folder: NodeId) -> impl Iterator<Item = (&[u8], NodeId)> + Clone {
        let range = self.children[folder as usize].clone();
        self.names[range.start as usize..range.end as usize]
            .iter()
            .map(|id| (self.tree.names.name(*id), self.tree.names.named(*id).node))
    }

    /// How many links a node has, as `stat` counts them.
    pub(in crate::layer) fn links(&self, node: NodeId) -> u32 {
        self.links[node as usize]
    }

    fn count(&mut self) {
        let mut pending = vec![ROOT];
        self.links[ROOT as usize] = 2;
        self.order.push(ROOT);
        while let Some(folder) = pending.pop() {
            let range = self.children[folder as usize].clone();
            for at in range {
                let node = self.tree.names.named(self.names[at as usize]).node;
                if self.tree.node(node).is_directory() {
                    self.links[folder as usize] += 1;
                    self.links[node as usize] = 2;
                    pending.push(node);
                    self.order.push(node);
                } else {
                    self.links[node as usize] += 1;
                    if self.links[node as usize] == 1 {
                        self.order.push(node);
                    }
                }
            }
        }
    }
}
