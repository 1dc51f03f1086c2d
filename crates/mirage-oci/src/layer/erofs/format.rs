//! The structures on the disk, little-endian (`fs/erofs/erofs_fs.h`).

use crate::layer::tree::{Attributes, DeviceKind, KeptXattr, Namespace, Node, NodeKind};

pub(super) const BLOCK_BYTES: u64 = 4096;
pub(super) const SUPERBLOCK_OFFSET: usize = 1024;
pub(super) const MAGIC: u32 = 0xe0f5_e1e2;
/// Inode numbers count in units of this many bytes from the first block of inodes.
pub(super) const INODE_UNIT: u64 = 32;
/// The extended form of an inode, which has room for all owners and times.
pub(super) const INODE_BYTES: u64 = 64;
pub(super) const XATTR_HEADER_BYTES: u64 = 12;
pub(super) const DIRENT_BYTES: usize = 12;

const BLOCK_BITS: u8 = 12;
const INODE_EXTENDED: u16 = 1;
/// All bytes in consecutive blocks.
pub(super) const LAYOUT_PLAIN: u16 = 0;
/// Whole blocks as in the plain layout, the rest right behind the inode.
pub(super) const LAYOUT_INLINE: u16 = 2;
/// `EROFS_FEATURE_COMPAT_MTIME`: times are those of modification.
const COMPAT_MTIME: u32 = 2;

/// Block 0. The root is the first inode of `first_block`.
pub(super) fn superblock(first_block: u64, blocks: u64, inodes: u64) -> [u8; BLOCK_BYTES as usize] {
    let mut block = [0; BLOCK_BYTES as usize];
    let fields: [(usize, &[u8]); 6] = [
        (0, &MAGIC.to_le_bytes()),
        (8, &COMPAT_MTIME.to_le_bytes()),
        (12, &[BLOCK_BITS]),
        (16, &inodes.to_le_bytes()),
        (36, &(blocks as u32).to_le_bytes()),
        (40, &(first_block as u32).to_le_bytes()),
    ];
    for (at, bytes) in fields {
        block[SUPERBLOCK_OFFSET + at..][..bytes.len()].copy_from_slice(bytes);
    }
    block
}

/// What an inode says beside the node itself.
pub(super) struct InodeFacts {
    pub(super) number: u32,
    pub(super) links: u32,
    pub(super) size: u64,
    /// The first block of its bytes.
    pub(super) block: u32,
    pub(super) inline: bool,
    /// Bytes of its extended attributes, header included.
    pub(super) xattr_bytes: u64,
}

/// An inode, followed by its attributes and tail.
pub(super) fn inode(node: &Node, facts: &InodeFacts) -> [u8; INODE_BYTES as usize] {
    let layout = if facts.inline { LAYOUT_INLINE } else { LAYOUT_PLAIN };
    let xattr_count = match facts.xattr_bytes {
        0 => 0,
        bytes => (bytes - XATTR_HEADER_BYTES) / 4 + 1,
    };
    let place = match node.kind {
        NodeKind::Device { major, minor, .. } => device_number(major, minor),
        _ => facts.block,
    };
    let Attributes { uid, gid, modified, .. } = node.attributes;
    let mut bytes = [0; INODE_BYTES as usize];
    let fields: [(usize, &[u8]); 11] = [
        (0, &(INODE_EXTENDED | layout << 1).to_le_bytes()),
        (2, &(xattr_count as u16).to_le_bytes()),
        (4, &node.full_mode().to_le_bytes()),
        (8, &facts.size.to_le_bytes()),
        (16, &place.to_le_bytes()),
        (20, &facts.number.to_le_bytes()),
        (24, &uid.to_le_bytes()),
        (28, &gid.to_le_bytes()),
        (32, &modified.seconds.to_le_bytes()),
        (40, &modified.nanoseconds.to_le_bytes()),
        (44, &facts.links.to_le_bytes()),
    ];
    for (at, field) in fields {
        bytes[at..][..field.len()].copy_from_slice(field);
    }
    bytes
}

/// The size of a node's attributes behind its inode.
pub(super) fn xattr_bytes<'a>(xattrs: impl Iterator<Item = KeptXattr<'a>>) -> u64 {
    let entries: u64 =
        xattrs.map(|xattr| ((4 + xattr.name.len() + xattr.value.len()) as u64).next_multiple_of(4)).sum();
    if entries == 0 { 0 } else { XATTR_HEADER_BYTES + entries }
}

/// The attributes themselves: an empty header (nothing is shared), then the entries.
pub(super) fn encode_xattrs<'a>(xattrs: impl Iterator<Item = KeptXattr<'a>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for xattr in xattrs {
        if bytes.is_empty() {
            bytes.resize(XATTR_HEADER_BYTES as usize, 0);
        }
        bytes.push(xattr.name.len() as u8);
        bytes.push(namespace_number(xattr.namespace));
        bytes.extend((xattr.value.len() as u16).to_le_bytes());
        bytes.extend_from_slice(xattr.name);
        bytes.extend_from_slice(xattr.value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

/// What kind of thing a name stands for, in a folder's entries.
pub(super) fn file_type(node: &Node) -> u8 {
    match node.kind {
        NodeKind::File { .. } => 1,
        NodeKind::Directory { .. } => 2,
        NodeKind::Device { kind: DeviceKind::Character, .. } | NodeKind::Whiteout => 3,
        NodeKind::Device { kind: DeviceKind::Block, .. } => 4,
        NodeKind::Fifo => 5,
        NodeKind::Symlink(_) => 7,
    }
}

fn namespace_number(namespace: Namespace) -> u8 {
    match namespace {
        Namespace::User => 1,
        Namespace::AclAccess => 2,
        Namespace::AclDefault => 3,
        Namespace::Trusted => 4,
        Namespace::Security => 6,
    }
}

/// Linux's `new_encode_dev`.
fn device_number(major: u32, minor: u32) -> u32 {
    minor & 0xff | major << 8 | (minor & !0xff) << 12
}
