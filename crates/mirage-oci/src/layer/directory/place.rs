//! Folders, and the files moved into them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::linkat;

use super::node::Workshop;
use crate::layer::error::LayerError;
use crate::layer::summary::LayerSummary;
use crate::layer::tree::{Listing, NodeId, ROOT, Tree};

/// Makes the tree on the disk.
pub(super) struct Placer<'a> {
    tree: &'a Tree,
    listing: &'a Listing<'a>,
    workshop: Workshop<'a>,
    /// Per node: whether it is finished and only needs its names.
    ready: Vec<Readiness>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Readiness {
    NotYet,
    Ready,
    /// This user may not make it.
    LeftOut,
}

impl<'a> Placer<'a> {
    /// With the first `files` numbers in the folder `data` taken by files of the tree.
    pub(super) fn new(
        listing: &'a Listing<'a>,
        data: &'a Path,
        files: u64,
        summary: &'a mut LayerSummary,
    ) -> Self {
        let tree = listing.tree();
        let workshop = Workshop::new(tree, data, files, summary);
        Self { tree, listing, workshop, ready: vec![Readiness::NotYet; tree.node_count()] }
    }

    /// Makes the folder `root` with everything in it.
    pub(super) fn place(mut self, root: &Path) -> Result<(), LayerError> {
        let placed = mkdirat(AT_FDCWD, root, Mode::S_IRWXU)
            .and_then(|()| open(root, FOLDER, Mode::empty()))
            .and_then(|folder| self.fill(ROOT, &folder));
        placed.map_err(|errno| LayerError::Write(errno.into()))
    }

    /// Puts everything into the open folder, and at last gives it its owner, mode and time.
    fn fill(&mut self, id: NodeId, folder: &OwnedFd) -> Result<(), Errno> {
        let (tree, listing) = (self.tree, self.listing);
        for (name, child) in listing.children(id) {
            if tree.node(child).is_directory() {
                mkdirat(folder, name, Mode::S_IRWXU)?;
                let inner = openat(folder, name, FOLDER, Mode::empty())?;
                self.fill(child, &inner)?;
            } else {
                self.put(child, name, folder.as_fd())?;
            }
        }
        self.workshop.describe_folder(folder, tree.node(id))
    }

    fn put(&mut self, id: NodeId, name: &[u8], folder: BorrowedFd<'_>) -> Result<(), Errno> {
        let node = self.tree.node(id);
        let number = self.workshop.number(id, node);
        if self.ready[id as usize] == Readiness::NotYet {
            let made = self.workshop.make(&number, node)?;
            self.ready[id as usize] = if made { Readiness::Ready } else { Readiness::LeftOut };
        }
        if self.ready[id as usize] == Readiness::LeftOut {
            return Ok(());
        }
        // With several names it is linked from `data` each time, and its number goes with `data`.
        match self.listing.links(id) {
            1 => renameat(self.workshop.data()?, number.as_str(), folder, name),
            _ => linkat(self.workshop.data()?, number.as_str(), folder, name, AtFlags::empty()),
        }
    }
}

const FOLDER: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);
