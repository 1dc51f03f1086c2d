//! Blocks of a folder's entries. Names are sorted by their bytes through all blocks, because the
//! kernel searches by halving.

use super::format::{BLOCK_BYTES, DIRENT_BYTES};

/// A name in a folder.
#[derive(Clone, Copy)]
pub(super) struct DirEntry<'a> {
    pub(super) name: &'a [u8],
    pub(super) inode: u32,
    pub(super) file_type: u8,
}

/// Entries in the groups that share a block.
pub(super) struct Blocks<'a, 'n>(&'a [DirEntry<'n>]);

impl<'a, 'n> Blocks<'a, 'n> {
    /// Of all entries of a folder, sorted, `.` and `..` among them.
    pub(super) fn new(entries: &'a [DirEntry<'n>]) -> Self {
        Self(entries)
    }

    /// The size of the folder: whole blocks, and what the last one needs.
    pub(super) fn size(entries: &[DirEntry<'_>]) -> u64 {
        let mut blocks = Blocks(entries).peekable();
        let mut size = 0;
        while let Some(group) = blocks.next() {
            size += if blocks.peek().is_some() {
                BLOCK_BYTES
            } else {
                group.iter().map(bytes_of).sum::<usize>() as u64
            };
        }
        size
    }
}

impl<'a, 'n> Iterator for Blocks<'a, 'n> {
    type Item = &'a [DirEntry<'n>];

    fn next(&mut self) -> Option<Self::Item> {
        let mut used = 0;
        let fitting = self.0.iter().take_while(|entry| {
            used += bytes_of(entry);
            used as u64 <= BLOCK_BYTES
        });
        let (group, rest) = self.0.split_at(fitting.count());
        self.0 = rest;
        (!group.is_empty()).then_some(group)
    }
}

/// The bytes of one block: fixed parts first, then the names; not padded.
pub(super) fn encode(group: &[DirEntry<'_>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BLOCK_BYTES as usize);
    let mut name_offset = group.len() * DIRENT_BYTES;
    for entry in group {
        bytes.extend(u64::from(entry.inode).to_le_bytes());
        bytes.extend((name_offset as u16).to_le_bytes());
        bytes.extend([entry.file_type, 0]);
        name_offset += entry.name.len();
    }
    for entry in group {
        bytes.extend_from_slice(entry.name);
    }
    bytes
}

fn bytes_of(entry: &DirEntry<'_>) -> usize {
    DIRENT_BYTES + entry.name.len()
}
