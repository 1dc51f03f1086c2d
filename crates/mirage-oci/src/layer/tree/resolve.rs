//! From a path in the archive to a folder of the tree.

use super::node::{Attributes, Node, NodeId, NodeKind};
use super::{ROOT, Tree};
use crate::layer::error::LayerError;
use crate::layer::limits::{MAX_LINKS_FOLLOWED, MAX_NAME_BYTES, MAX_STEPS};

impl Tree {
    /// The folder that `parents` lead to. Symbolic links of this layer are followed as containerd
    /// does, as if the layer were the whole system: none leads out of it. Folders that are not there
    /// are made, also where something else had their name.
    pub(super) fn folder(&mut self, parents: &[&[u8]], path: &[u8]) -> Result<NodeId, LayerError> {
        let mut walk = Walk::new(parents, path);
        let mut current = ROOT;
        while let Some(name) = walk.next()? {
            current = match name.as_slice() {
                b".." => self.parent(current),
                name => match self.names.get(current, name) {
                    None => self.make_folder(current, name, path, false)?,
                    Some(node) => match self.node(node).kind {
                        NodeKind::Directory { .. } => node,
                        NodeKind::Symlink(target) => walk.follow(self.text(target), current)?,
                        // The lower layers' folder of this name stays hidden.
                        NodeKind::Whiteout => self.make_folder(current, name, path, true)?,
                        _ => self.make_folder(current, name, path, false)?,
                    },
                },
            };
        }
        Ok(current)
    }

    /// The folder that `parents` lead to, or `None` where there is none; nothing is made.
    pub(super) fn existing_folder(
        &self,
        parents: &[&[u8]],
        path: &[u8],
    ) -> Result<Option<NodeId>, LayerError> {
        let mut walk = Walk::new(parents, path);
        let mut current = ROOT;
        while let Some(name) = walk.next()? {
            if name == b".." {
                current = self.parent(current);
                continue;
            }
            let Some(node) = self.names.get(current, &name) else { return Ok(None) };
            current = match self.node(node).kind {
                NodeKind::Directory { .. } => node,
                NodeKind::Symlink(target) => walk.follow(self.text(target), current)?,
                _ => return Ok(None),
            };
        }
        Ok(Some(current))
    }

    /// A new folder `name` in `parent`, instead of what had that name.
    pub(super) fn make_folder(
        &mut self,
        parent: NodeId,
        name: &[u8],
        path: &[u8],
        opaque: bool,
    ) -> Result<NodeId, LayerError> {
        let depth = match self.node(parent).kind {
            NodeKind::Directory { depth, .. } => depth + 1,
            _ => 0,
        };
        if depth > self.max_depth {
            return Err(LayerError::entry(path, format!("lies more than {} folders deep", self.max_depth)));
        }
        let kind = NodeKind::Directory { parent, depth, opaque };
        let node = self.add(Node { attributes: Attributes::implied(), xattrs: 0..0, kind })?;
        self.names.set(parent, name, node)?;
        Ok(node)
    }

    fn parent(&self, node: NodeId) -> NodeId {
        match self.node(node).kind {
            NodeKind::Directory { parent, .. } => parent,
            _ => ROOT,
        }
    }
}

/// Components still to be walked, the next one last.
struct Walk<'a> {
    pending: Vec<Vec<u8>>,
    path: &'a [u8],
    steps: usize,
    links: usize,
}

impl<'a> Walk<'a> {
    fn new(parents: &[&[u8]], path: &'a [u8]) -> Self {
        Self { pending: parents.iter().rev().map(|part| part.to_vec()).collect(), path, steps: 0, links: 0 }
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, LayerError> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(LayerError::entry(self.path, "has too many folders in its path"));
        }
        Ok(self.pending.pop())
    }

    /// Puts a link's target in front; answers with the folder it starts from.
    fn follow(&mut self, target: &[u8], from: NodeId) -> Result<NodeId, LayerError> {
        self.links += 1;
        if self.links > MAX_LINKS_FOLLOWED {
            return Err(LayerError::entry(self.path, "lies behind too many symbolic links"));
        }
        let parts = target.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".");
        for part in parts.rev() {
            if part.len() > MAX_NAME_BYTES {
                return Err(LayerError::entry(
                    self.path,
                    "lies behind a symbolic link to an impossible name",
                ));
            }
            self.pending.push(part.to_vec());
        }
        Ok(if target.starts_with(b"/") { ROOT } else { from })
    }
}
