//! Names: which folder has which node under which name. Made for millions of them: one arena for
//! the bytes, one hash table for all folders.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::node::NodeId;
use crate::layer::error::LayerError;

/// Bytes in the arena.
#[derive(Clone, Copy, Debug)]
pub(in crate::layer) struct Span {
    start: u32,
    length: u32,
}

/// A name's number.
pub(super) type NameId = u32;

/// One name in one folder.
#[derive(Clone, Copy)]
pub(super) struct Named {
    pub(super) parent: NodeId,
    pub(super) node: NodeId,
    name: Span,
}

pub(super) struct Names {
    arena: Vec<u8>,
    all: Vec<Named>,
    table: HashTable<NameId>,
    // Keyed, so that nobody can choose names that collide.
    hasher: RandomState,
    max_names: usize,
    max_bytes: usize,
}

impl Names {
    pub(super) fn new(max_names: u32, max_bytes: u32) -> Self {
        Self {
            arena: Vec::new(),
            all: Vec::new(),
            table: HashTable::new(),
            hasher: RandomState::new(),
            max_names: max_names as usize,
            max_bytes: max_bytes as usize,
        }
    }

    /// What `parent` has under `name`.
    pub(super) fn get(&self, parent: NodeId, name: &[u8]) -> Option<NodeId> {
        self.find(parent, name).map(|id| self.all[id as usize].node)
    }

    /// Lets `parent` have `node` under `name`, instead of what it had there.
    pub(super) fn set(&mut self, parent: NodeId, name: &[u8], node: NodeId) -> Result<(), LayerError> {
        if let Some(id) = self.find(parent, name) {
            self.all[id as usize].node = node;
            return Ok(());
        }
        if self.all.len() >= self.max_names {
            return Err(LayerError::more_than("entries", self.max_names as u64));
        }
        let name = self.store(name)?;
        let id = self.all.len() as NameId;
        self.all.push(Named { parent, node, name });
        let Self { arena, all, table, hasher, .. } = self;
        let hash_of = |id: NameId| {
            let named = &all[id as usize];
            hasher.hash_one((named.parent, text(arena, named.name)))
        };
        table.insert_unique(hash_of(id), id, |id| hash_of(*id));
        Ok(())
    }

    /// Keeps bytes for as long as the tree lives.
    pub(super) fn store(&mut self, bytes: &[u8]) -> Result<Span, LayerError> {
        if self.arena.len() + bytes.len() > self.max_bytes {
            return Err(LayerError::larger_than(
                "what it has of names and attributes",
                self.max_bytes as u64,
            ));
        }
        let span = Span { start: self.arena.len() as u32, length: bytes.len() as u32 };
        self.arena.extend_from_slice(bytes);
        Ok(span)
    }

    pub(super) fn text(&self, span: Span) -> &[u8] {
        text(&self.arena, span)
    }

    pub(super) fn named(&self, id: NameId) -> &Named {
        &self.all[id as usize]
    }

    pub(super) fn name(&self, id: NameId) -> &[u8] {
        self.text(self.all[id as usize].name)
    }

    /// Every name, in the order of folders and of bytes within a folder.
    pub(super) fn sorted(&self) -> Vec<NameId> {
        let mut ids: Vec<NameId> = (0..self.all.len() as NameId).collect();
        ids.sort_unstable_by(|a, b| {
            let parents = self.named(*a).parent.cmp(&self.named(*b).parent);
            parents.then_with(|| self.name(*a).cmp(self.name(*b)))
        });
        ids
    }

    fn find(&self, parent: NodeId, name: &[u8]) -> Option<NameId> {
        let hash = self.hasher.hash_one((parent, name));
        let same = |id: &NameId| self.named(*id).parent == parent && self.name(*id) == name;
        self.table.find(hash, same).copied()
    }
}

fn text(arena: &[u8], span: Span) -> &[u8] {
    &arena[span.start as usize..][..span.length as usize]
}
