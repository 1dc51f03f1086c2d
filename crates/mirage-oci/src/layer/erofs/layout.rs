//! Where inodes and folders go, and writing them there.

use super::appender::Appender;
use super::folder::{self, Blocks, DirEntry};
use super::format::{
    BLOCK_BYTES, INODE_BYTES, INODE_UNIT, InodeFacts, encode_xattrs, file_type, inode, xattr_bytes,
};
use crate::layer::error::LayerError;
use crate::layer::tree::{Listing, Node, NodeId, NodeKind, Tree};

/// The plan of everything behind the bytes of files.
pub(super) struct Layout<'a> {
    tree: &'a Tree,
    listing: &'a Listing<'a>,
    /// Per node.
    slots: Vec<Slot>,
    inodes_at: u64,
    blocks_at: u64,
}

/// Where one node goes.
#[derive(Clone, Copy, Default)]
struct Slot {
    /// In units from the first inode.
    inode: u32,
    /// The first of its own blocks, counted from the first of all those.
    block: u32,
    /// Bytes of a folder or link target.
    size: u64,
    inline: bool,
}

impl<'a> Layout<'a> {
    /// Plans what goes behind byte `end`, the end of a block.
    pub(super) fn new(tree: &'a Tree, listing: &'a Listing<'a>, end: u64) -> Result<Self, LayerError> {
        let slots = vec![Slot::default(); tree.node_count()];
        let mut layout = Self { tree, listing, slots, inodes_at: end, blocks_at: 0 };
        let mut at = 0u64;
        let mut blocks = 0u64;
        for &id in listing.nodes() {
            let node = tree.node(id);
            let size = layout.body_bytes(id, node);
            let tail = size % BLOCK_BYTES;
            let fixed = INODE_BYTES + xattr_bytes(tree.xattrs_of(node));
            let inline = tail > 0 && fixed + tail <= BLOCK_BYTES;
            let needed = if inline { fixed + tail } else { fixed };
            // Neither an inode nor a tail may cross the end of a block.
            if at % BLOCK_BYTES + needed > BLOCK_BYTES {
                at = at.next_multiple_of(BLOCK_BYTES);
            }
            let inode = u32::try_from(at / INODE_UNIT).map_err(|_| too_large())?;
            let block = u32::try_from(blocks).map_err(|_| too_large())?;
            layout.slots[id as usize] = Slot { inode, block, size, inline };
            at = (at + needed).next_multiple_of(INODE_UNIT);
            blocks += if inline { size / BLOCK_BYTES } else { size.div_ceil(BLOCK_BYTES) };
        }
        layout.blocks_at = (end + at).next_multiple_of(BLOCK_BYTES);
        // A block's number has 32 bits.
        u32::try_from(layout.blocks_at / BLOCK_BYTES + blocks).map_err(|_| too_large())?;
        Ok(layout)
    }

    /// The block in which inodes begin.
    pub(super) fn first_block(&self) -> u64 {
        self.inodes_at / BLOCK_BYTES
    }

    /// Writes inodes, then blocks; `out` stands where the plan begins.
    pub(super) fn write(&self, out: &mut Appender<'_>) -> Result<(), LayerError> {
        for (number, &id) in self.listing.nodes().iter().enumerate() {
            let slot = self.slots[id as usize];
            out.zeros_to(self.inodes_at + u64::from(slot.inode) * INODE_UNIT)?;
            self.write_inode(number as u32 + 1, id, slot, out)?;
        }
        for &id in self.listing.nodes() {
            let slot = self.slots[id as usize];
            if slot.size >= BLOCK_BYTES || slot.size > 0 && !slot.inline {
                out.zeros_to(self.blocks_at + u64::from(slot.block) * BLOCK_BYTES)?;
                self.write_blocks(id, slot, out)?;
            }
        }
        out.zeros_to(out.position().next_multiple_of(BLOCK_BYTES))
    }

    fn write_inode(
        &self,
        number: u32,
        id: NodeId,
        slot: Slot,
        out: &mut Appender<'_>,
    ) -> Result<(), LayerError> {
        let node = self.tree.node(id);
        let (size, block) = match node.kind {
            NodeKind::File { size: 0, .. } => (0, 0),
            NodeKind::File { size, place } => (size, u32::try_from(place).map_err(|_| too_large())?),
            // A whiteout's device number is in this place, and zero.
            _ if slot.size == 0 => (0, 0),
            _ => (slot.size, (self.blocks_at / BLOCK_BYTES) as u32 + slot.block),
        };
        let xattrs = encode_xattrs(self.tree.xattrs_of(node));
        let facts = InodeFacts {
            number,
            links: self.listing.links(id),
            size,
            block,
            inline: slot.inline,
            xattr_bytes: xattrs.len() as u64,
        };
        out.append(&inode(node, &facts))?;
        out.append(&xattrs)?;
        match node.kind {
            _ if !slot.inline => Ok(()),
            NodeKind::Symlink(target) => out.append(self.tree.text(target)),
            _ => match Blocks::new(&self.entries(id)).last() {
                Some(group) => out.append(&folder::encode(group)),
                None => Ok(()),
            },
        }
    }

    /// What is not behind the inode: a folder's blocks but for an inline tail, or a link target.
    fn write_blocks(&self, id: NodeId, slot: Slot, out: &mut Appender<'_>) -> Result<(), LayerError> {
        if let NodeKind::Symlink(target) = self.tree.node(id).kind {
            return out.append(self.tree.text(target));
        }
        let entries = self.entries(id);
        let blocks = Blocks::new(&entries);
        let count = if slot.inline { slot.size / BLOCK_BYTES } else { slot.size.div_ceil(BLOCK_BYTES) };
        for group in blocks.take(count as usize) {
            out.append(&folder::encode(group))?;
            out.zeros_to(out.position().next_multiple_of(BLOCK_BYTES))?;
        }
        Ok(())
    }

    fn body_bytes(&self, id: NodeId, node: &Node) -> u64 {
        match node.kind {
            NodeKind::Directory { .. } => Blocks::size(&self.entries(id)),
            NodeKind::Symlink(target) => self.tree.text(target).len() as u64,
            _ => 0,
        }
    }

    fn entries(&self, id: NodeId) -> Vec<DirEntry<'_>> {
        let entry = |name, id: NodeId| DirEntry {
            name,
            inode: self.slots[id as usize].inode,
            file_type: file_type(self.tree.node(id)),
        };
        let parent = match self.tree.node(id).kind {
            NodeKind::Directory { parent, .. } => parent,
            _ => id,
        };
        let mut entries = vec![entry(b".", id), entry(b"..", parent)];
        entries.extend(self.listing.children(id).map(|(name, child)| entry(name, child)));
        entries.sort_by(|a, b| a.name.cmp(b.name));
        entries
    }
}

fn too_large() -> LayerError {
    LayerError::TooLarge("it is larger than an EROFS file can be".to_owned())
}
