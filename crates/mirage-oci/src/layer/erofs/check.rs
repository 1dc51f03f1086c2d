//! A strict reader of what the writer writes, for tests and the fuzzer: everything in bounds, every
//! folder sorted and reachable once, every count right.

use std::collections::{BTreeMap, HashMap};

use super::format::{
    BLOCK_BYTES, DIRENT_BYTES, INODE_BYTES, INODE_UNIT, LAYOUT_INLINE, LAYOUT_PLAIN, MAGIC,
    SUPERBLOCK_OFFSET, XATTR_HEADER_BYTES,
};

/// One path of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The inode's number.
    pub inode: u64,
    /// Type and permissions.
    pub mode: u16,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Seconds and nanoseconds.
    pub modified: (i64, u32),
    /// Names it has.
    pub links: u32,
    /// Bytes of a file or link target; entries of a folder.
    pub size: u64,
    /// The encoded number of a device.
    pub device: u32,
    /// Bytes of a file or link target.
    pub content: Vec<u8>,
    /// Name space, rest of the name, value.
    pub xattrs: Vec<FoundXattr>,
}

/// Name space by number, rest of the name, value.
pub type FoundXattr = (u8, Vec<u8>, Vec<u8>);

/// Reads a whole image; the error says what is wrong with it.
pub fn check(image: &[u8]) -> Result<BTreeMap<Vec<u8>, Found>, String> {
    let superblock = image.get(SUPERBLOCK_OFFSET..SUPERBLOCK_OFFSET + 128).ok_or("no superblock")?;
    ensure(u32_at(superblock, 0)? == MAGIC, "wrong magic")?;
    ensure(image.len() as u64 == u64::from(u32_at(superblock, 36)?) * BLOCK_BYTES, "wrong number of blocks")?;
    let inodes_at = u64::from(u32_at(superblock, 40)?) * BLOCK_BYTES;
    let mut walk = Walk { image, inodes_at, found: BTreeMap::new(), names: HashMap::new() };
    walk.folder(Vec::new(), 0, 0)?;
    let expected = u64::from_le_bytes(field(superblock, 16)?);
    ensure(walk.names.len() as u64 == expected, "wrong number of inodes")?;
    for (path, found) in &walk.found {
        let counted = walk.names.get(&found.inode).copied().unwrap_or_default();
        ensure(counted == found.links, &format!("{} has {} links, not {counted}", show(path), found.links))?;
    }
    Ok(walk.found)
}

struct Walk<'a> {
    image: &'a [u8],
    inodes_at: u64,
    found: BTreeMap<Vec<u8>, Found>,
    /// Per inode: how many names it has.
    names: HashMap<u64, u32>,
}

impl Walk<'_> {
    fn folder(&mut self, path: Vec<u8>, number: u64, parent: u64) -> Result<(), String> {
        let folder = self.inode(number)?;
        ensure(folder.mode & 0o170_000 == 0o040_000, "a folder is none")?;
        ensure(self.names.insert(number, 2).is_none(), "a folder has two names")?;
        let mut entries = Vec::new();
        for block in folder.content.chunks(BLOCK_BYTES as usize) {
            read_block(block, &mut entries)?;
        }
        ensure(entries.is_sorted_by(|a, b| a.0 < b.0), &format!("{} is not sorted", show(&path)))?;
        self.found.insert(path.clone(), Found { content: Vec::new(), size: entries.len() as u64, ..folder });
        for (name, inode, kind) in entries {
            match name.as_slice() {
                b"." => ensure(inode == number && kind == 2, "`.` is something else")?,
                b".." => ensure(inode == parent && kind == 2, "`..` is something else")?,
                _ => self.entry([path.as_slice(), b"/", &name].concat(), &name, inode, kind, number)?,
            }
        }
        Ok(())
    }

    fn entry(&mut self, path: Vec<u8>, name: &[u8], inode: u64, kind: u8, parent: u64) -> Result<(), String> {
        let bad_name = name.is_empty() || name.len() > 255 || name.contains(&0) || name.contains(&b'/');
        ensure(!bad_name, "an impossible name")?;
        ensure(inode != 0, "the root has a name")?;
        let found = self.inode(inode)?;
        ensure(kind == kind_of(found.mode)?, &format!("{} has the wrong type", show(&path)))?;
        if kind == 2 {
            *self.names.entry(parent).or_default() += 1;
            return self.folder(path, inode, parent);
        }
        *self.names.entry(inode).or_default() += 1;
        self.found.insert(path, found);
        Ok(())
    }

    fn inode(&self, number: u64) -> Result<Found, String> {
        let at =
            number.checked_mul(INODE_UNIT).and_then(|at| at.checked_add(self.inodes_at)).ok_or("inode")?;
        ensure(at % BLOCK_BYTES + INODE_BYTES <= BLOCK_BYTES, "an inode crosses a block")?;
        let bytes = self.bytes(at, INODE_BYTES)?;
        let format = u16::from_le_bytes(field(bytes, 0)?);
        ensure(format & 1 == 1, "an inode is not extended")?;
        let mode = u16::from_le_bytes(field(bytes, 4)?);
        let size = u64::from_le_bytes(field(bytes, 8)?);
        let is_device = matches!(mode & 0o170_000, 0o020_000 | 0o060_000);
        let xattr_bytes = match u16::from_le_bytes(field(bytes, 2)?) {
            0 => 0,
            count => XATTR_HEADER_BYTES + 4 * (u64::from(count) - 1),
        };
        let content = self.content(at + INODE_BYTES + xattr_bytes, format >> 1, u32_at(bytes, 16)?, size)?;
        Ok(Found {
            inode: number,
            mode,
            owner: (u32_at(bytes, 24)?, u32_at(bytes, 28)?),
            modified: (i64::from_le_bytes(field(bytes, 32)?), u32_at(bytes, 40)?),
            links: u32_at(bytes, 44)?,
            size,
            device: if is_device { u32_at(bytes, 16)? } else { 0 },
            content,
            xattrs: self.xattrs(at + INODE_BYTES, xattr_bytes)?,
        })
    }

    fn content(&self, tail_at: u64, layout: u16, block: u32, size: u64) -> Result<Vec<u8>, String> {
        ensure(layout == LAYOUT_PLAIN || layout == LAYOUT_INLINE, "an unknown layout")?;
        let tail = if layout == LAYOUT_INLINE { size % BLOCK_BYTES } else { 0 };
        ensure(layout == LAYOUT_PLAIN || tail > 0, "an empty tail")?;
        ensure(tail == 0 || tail_at % BLOCK_BYTES + tail <= BLOCK_BYTES, "a tail crosses a block")?;
        let at = u64::from(block) * BLOCK_BYTES;
        let plain = match size - tail {
            0 => &[],
            length => {
                ensure(at >= BLOCK_BYTES, "bytes in the superblock")?;
                self.bytes(at, length)?
            }
        };
        Ok([plain, self.bytes(tail_at, tail)?].concat())
    }

    fn xattrs(&self, at: u64, length: u64) -> Result<Vec<FoundXattr>, String> {
        let bytes = self.bytes(at, length)?;
        let mut rest = bytes.get(XATTR_HEADER_BYTES as usize..).unwrap_or_default();
        let mut found = Vec::new();
        while let [name_length, space, ..] = *rest {
            let name_length = usize::from(name_length);
            let value_length = usize::from(u16::from_le_bytes(field(rest, 2)?));
            let name = rest.get(4..4 + name_length).ok_or("an attribute's name")?;
            let value =
                rest.get(4 + name_length..4 + name_length + value_length).ok_or("an attribute's value")?;
            found.push((space, name.to_vec(), value.to_vec()));
            rest = rest
                .get((4 + name_length + value_length).next_multiple_of(4)..)
                .ok_or("an attribute's end")?;
        }
        Ok(found)
    }

    fn bytes(&self, at: u64, length: u64) -> Result<&[u8], String> {
        let end = at.checked_add(length).ok_or("a place past everything")?;
        self.image.get(at as usize..end as usize).ok_or_else(|| format!("bytes {at} to {end} are outside"))
    }
}

fn read_block(block: &[u8], entries: &mut Vec<(Vec<u8>, u64, u8)>) -> Result<(), String> {
    let first_name = usize::from(u16::from_le_bytes(field(block, 8)?));
    ensure(first_name > 0 && first_name.is_multiple_of(DIRENT_BYTES), "a broken block of a folder")?;
    let count = first_name / DIRENT_BYTES;
    let name_at =
        |at: usize| field(block, at * DIRENT_BYTES + 8).map(|bytes| usize::from(u16::from_le_bytes(bytes)));
    for at in 0..count {
        let start = name_at(at)?;
        let name = match at + 1 < count {
            true => block.get(start..name_at(at + 1)?),
            false => block.get(start..).and_then(|name| name.split(|byte| *byte == 0).next()),
        };
        let inode = u64::from_le_bytes(field(block, at * DIRENT_BYTES)?);
        let [kind] = field(block, at * DIRENT_BYTES + 10)?;
        entries.push((name.ok_or("a name outside its block")?.to_vec(), inode, kind));
    }
    Ok(())
}

fn kind_of(mode: u16) -> Result<u8, String> {
    Ok(match mode & 0o170_000 {
        0o100_000 => 1,
        0o040_000 => 2,
        0o020_000 => 3,
        0o060_000 => 4,
        0o010_000 => 5,
        0o120_000 => 7,
        other => return Err(format!("an unknown type {other:o}")),
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, String> {
    field(bytes, at).map(u32::from_le_bytes)
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], String> {
    bytes.get(at..at + N).and_then(|field| field.try_into().ok()).ok_or_else(|| format!("a field at {at}"))
}

fn ensure(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

fn show(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
