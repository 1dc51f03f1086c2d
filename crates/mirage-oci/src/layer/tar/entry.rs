//! One entry of an archive.

/// An entry with all its headers merged.
#[derive(Debug)]
pub(in crate::layer) struct Entry {
    /// As written.
    pub(in crate::layer) path: Vec<u8>,
    pub(in crate::layer) kind: EntryKind,
    /// The lower twelve bits: permissions, set-id and sticky.
    pub(in crate::layer) mode: u16,
    pub(in crate::layer) uid: u32,
    pub(in crate::layer) gid: u32,
    pub(in crate::layer) modified: Time,
    pub(in crate::layer) xattrs: Vec<Xattr>,
}

/// What an entry is.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::layer) enum EntryKind {
    /// A regular file of this many bytes, holes included.
    File(u64),
    Directory,
    Symlink(Vec<u8>),
    /// Another name of the entry with this path.
    HardLink(Vec<u8>),
    /// Major and minor number.
    CharacterDevice(u32, u32),
    /// Major and minor number.
    BlockDevice(u32, u32),
    Fifo,
}

/// Seconds since 1970, possibly negative, and nanoseconds from there on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::layer) struct Time {
    pub(in crate::layer) seconds: i64,
    pub(in crate::layer) nanoseconds: u32,
}

/// An extended attribute with its full name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::layer) struct Xattr {
    pub(in crate::layer) name: Vec<u8>,
    pub(in crate::layer) value: Vec<u8>,
}
