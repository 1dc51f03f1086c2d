//! Entries, put into the tree in the order of the archive.

use super::node::{Attributes, DeviceKind, Node, NodeId, NodeKind};
use super::{ROOT, Tree};
use crate::layer::entry_name::components;
use crate::layer::error::{LayerError, printable};
use crate::layer::limits::MAX_PATH_BYTES;
use crate::layer::tar::{Entry, EntryKind};

/// In front of the name that a whiteout hides (image-spec `layer.md`, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
/// In front of names that belong to AUFS itself, which wrote the first images.
const AUFS: &[u8] = b".wh..wh.";
/// Hides everything that lower layers have in its folder.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What became of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::layer) enum Applied {
    /// It is in the tree.
    Kept,
    /// It is in the tree, without some of its extended attributes.
    WithoutXattrs(u32),
    /// It means nothing here.
    Ignored,
}

impl Tree {
    /// Puts an entry into the tree; where its name is taken, it replaces what has it. `place` is
    /// where the bytes of a regular file are.
    pub(in crate::layer) fn apply(&mut self, entry: &Entry, place: u64) -> Result<Applied, LayerError> {
        let path = entry.path.as_slice();
        let parts = components(path)?;
        if parts.len() > usize::from(self.max_depth) {
            return Err(LayerError::entry(path, format!("lies more than {} folders deep", self.max_depth)));
        }
        let Some((name, parents)) = parts.split_last() else { return self.apply_root(entry) };
        if *name == OPAQUE {
            let folder = self.folder(parents, path)?;
            self.set_opaque(folder);
            return Ok(Applied::Kept);
        }
        if parts.iter().any(|part| part.starts_with(AUFS)) {
            return Ok(Applied::Ignored);
        }
        if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            return self.apply_whiteout(parents, hidden, path);
        }
        if let EntryKind::HardLink(target) = &entry.kind {
            let node = self.link_target(target, path)?;
            let folder = self.folder(parents, path)?;
            self.names.set(folder, name, node)?;
            return Ok(Applied::Kept);
        }
        let folder = self.folder(parents, path)?;
        self.put(folder, name, entry, place)
    }

    fn put(&mut self, folder: NodeId, name: &[u8], entry: &Entry, place: u64) -> Result<Applied, LayerError> {
        let path = entry.path.as_slice();
        let kind = match &entry.kind {
            EntryKind::Directory => {
                let node = match self.names.get(folder, name) {
                    Some(node) if self.node(node).is_directory() => node,
                    hidden => {
                        let opaque =
                            hidden.is_some_and(|id| matches!(self.node(id).kind, NodeKind::Whiteout));
                        self.make_folder(folder, name, path, opaque)?
                    }
                };
                return self.describe(node, entry);
            }
            EntryKind::File(size) => NodeKind::File { size: *size, place },
            EntryKind::Symlink(target) => self.symlink(target, path)?,
            EntryKind::CharacterDevice(major, minor) => {
                NodeKind::Device { kind: DeviceKind::Character, major: *major, minor: *minor }
            }
            EntryKind::BlockDevice(major, minor) => {
                NodeKind::Device { kind: DeviceKind::Block, major: *major, minor: *minor }
            }
            EntryKind::Fifo => NodeKind::Fifo,
            EntryKind::HardLink(_) => return Ok(Applied::Ignored),
        };
        let node = self.add(Node { attributes: Attributes::implied(), xattrs: 0..0, kind })?;
        self.names.set(folder, name, node)?;
        self.describe(node, entry)
    }

    fn apply_root(&mut self, entry: &Entry) -> Result<Applied, LayerError> {
        match entry.kind {
            EntryKind::Directory => self.describe(ROOT, entry),
            _ => Err(LayerError::entry(&entry.path, "stands for the root of the layer, but is no folder")),
        }
    }

    /// A whiteout concerns lower layers alone: what this layer has under the name stays, whichever
    /// comes first.
    fn apply_whiteout(
        &mut self,
        parents: &[&[u8]],
        hidden: &[u8],
        path: &[u8],
    ) -> Result<Applied, LayerError> {
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(LayerError::entry(path, "is a whiteout of no name"));
        }
        let folder = self.folder(parents, path)?;
        match self.names.get(folder, hidden) {
            Some(node) => self.set_opaque(node),
            None => {
                let attributes = Attributes { mode: 0, ..Attributes::implied() };
                let node = self.add(Node { attributes, xattrs: 0..0, kind: NodeKind::Whiteout })?;
                self.names.set(folder, hidden, node)?;
            }
        }
        Ok(Applied::Kept)
    }

    /// Makes a folder opaque; anything else hides lower layers by itself.
    fn set_opaque(&mut self, node: NodeId) {
        if let NodeKind::Directory { opaque, .. } = &mut self.nodes[node as usize].kind {
            *opaque = true;
        }
    }

    fn link_target(&self, target: &[u8], path: &[u8]) -> Result<NodeId, LayerError> {
        let parts = components(target).map_err(|error| match error {
            LayerError::Entry { what, .. } => {
                LayerError::entry(path, format!("is a hard link whose target {what}"))
            }
            other => other,
        })?;
        let found = match parts.split_last() {
            None => Some(ROOT),
            Some((name, parents)) => {
                let folder = self.existing_folder(parents, path)?;
                folder.and_then(|folder| self.names.get(folder, name))
            }
        };
        let found = found.filter(|node| !matches!(self.node(*node).kind, NodeKind::Whiteout));
        let refuse = |what: &str| {
            LayerError::entry(path, format!("is a hard link to `{}`, {what}", printable(target)))
        };
        let node = found.ok_or_else(|| refuse("which this layer does not have"))?;
        match self.node(node).is_directory() {
            true => Err(refuse("which is a folder")),
            false => Ok(node),
        }
    }

    fn symlink(&mut self, target: &[u8], path: &[u8]) -> Result<NodeKind, LayerError> {
        if target.is_empty() || target.len() > MAX_PATH_BYTES || target.contains(&0) {
            return Err(LayerError::entry(path, "is a symbolic link with an impossible target"));
        }
        Ok(NodeKind::Symlink(self.names.store(target)?))
    }

    /// Gives a node the entry's owner, mode, time and attributes.
    fn describe(&mut self, node: NodeId, entry: &Entry) -> Result<Applied, LayerError> {
        let (xattrs, left_out) = self.keep_xattrs(&entry.xattrs, &entry.path)?;
        let node = &mut self.nodes[node as usize];
        // Linux has no permissions on symbolic links.
        let mode = if matches!(node.kind, NodeKind::Symlink(_)) { 0o777 } else { entry.mode };
        node.attributes = Attributes { mode, uid: entry.uid, gid: entry.gid, modified: entry.modified };
        node.xattrs = xattrs;
        Ok(if left_out == 0 { Applied::Kept } else { Applied::WithoutXattrs(left_out) })
    }
}
