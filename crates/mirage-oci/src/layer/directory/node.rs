//! Single files, links and devices, finished before they get their place.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open};
use nix::sys::stat::{
    FchmodatFlags, Mode, SFlag, UtimensatFlags, fchmod, fchmodat, futimens, makedev, mknodat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat, symlinkat};

use super::xattr::{Subject, set};
use crate::layer::summary::LayerSummary;
use crate::layer::tree::{Attributes, DeviceKind, KeptXattr, Node, NodeId, NodeKind, Tree};

/// The folder in which nodes are made under numbers.
pub(super) struct Workshop<'a> {
    tree: &'a Tree,
    path: &'a Path,
    folder: Result<OwnedFd, Errno>,
    files: u64,
    summary: &'a mut LayerSummary,
}

impl<'a> Workshop<'a> {
    pub(super) fn new(tree: &'a Tree, path: &'a Path, files: u64, summary: &'a mut LayerSummary) -> Self {
        let folder = open(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
        Self { tree, path, folder, files, summary }
    }

    pub(super) fn data(&self) -> Result<&OwnedFd, Errno> {
        self.folder.as_ref().map_err(|errno| *errno)
    }

    /// The name of a node in here.
    pub(super) fn number(&self, id: NodeId, node: &Node) -> String {
        match node.kind {
            NodeKind::File { place, .. } => place,
            _ => self.files + u64::from(id),
        }
        .to_string()
    }

    /// Makes the node, unless it is a file and so here already, and gives it owner, mode, attributes
    /// and time. `false` where this user may not make it.
    pub(super) fn make(&mut self, number: &str, node: &Node) -> Result<bool, Errno> {
        let data = self.data()?;
        let special = |kind, device| mknodat(data, number, kind, Mode::S_IRUSR | Mode::S_IWUSR, device);
        let made = match node.kind {
            NodeKind::File { .. } | NodeKind::Directory { .. } => Ok(()),
            NodeKind::Symlink(target) => symlinkat(self.tree.text(target), data, number),
            NodeKind::Fifo => special(SFlag::S_IFIFO, 0),
            NodeKind::Whiteout => special(SFlag::S_IFCHR, 0),
            NodeKind::Device { kind, major, minor } => {
                let flag = if kind == DeviceKind::Block { SFlag::S_IFBLK } else { SFlag::S_IFCHR };
                special(flag, makedev(major.into(), minor.into()))
            }
        };
        match made {
            Err(Errno::EPERM) => {
                self.summary.warn("device nodes were left out, only root may make them");
                Ok(false)
            }
            other => other.and_then(|()| self.describe(number, node)).map(|()| true),
        }
    }

    /// Gives an open folder owner, mode, attributes and time.
    pub(super) fn describe_folder(&mut self, folder: &OwnedFd, node: &Node) -> Result<(), Errno> {
        let Attributes { mode, uid, gid, .. } = node.attributes;
        let owned = fchown(folder, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        self.or_warn(owned, OWNERS)?;
        fchmod(folder, Mode::from_bits_truncate(mode.into()))?;
        self.set_xattrs(Subject::Open(folder.as_fd()), node)?;
        let time = modified(node);
        futimens(folder, &time, &time)
    }

    /// The order matters: changing the owner takes set-id bits and capabilities away.
    fn describe(&mut self, number: &str, node: &Node) -> Result<(), Errno> {
        let Attributes { mode, uid, gid, .. } = node.attributes;
        let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        let owned = fchownat(self.data()?, number, owner.0, owner.1, AtFlags::AT_SYMLINK_NOFOLLOW);
        self.or_warn(owned, OWNERS)?;
        if !matches!(node.kind, NodeKind::Symlink(_)) {
            let mode = Mode::from_bits_truncate(mode.into());
            fchmodat(self.data()?, number, mode, FchmodatFlags::FollowSymlink)?;
        }
        let path = self.path.join(number);
        self.set_xattrs(Subject::Path(&path), node)?;
        let time = modified(node);
        utimensat(self.data()?, number, &time, &time, UtimensatFlags::NoFollowSymlink)
    }

    fn set_xattrs(&mut self, subject: Subject<'_>, node: &Node) -> Result<(), Errno> {
        for xattr in self.tree.xattrs_of(node) {
            let KeptXattr { namespace, name, value } = xattr;
            let full = [namespace.prefix().as_bytes(), name].concat();
            let done = match set(subject, &full, value) {
                // In a user namespace overlayfs reads its mark from here (mount option `userxattr`).
                Err(Errno::EPERM) if full == b"trusted.overlay.opaque" => {
                    set(subject, b"user.overlay.opaque", value)
                }
                Err(Errno::EOPNOTSUPP | Errno::EINVAL) => Err(Errno::EPERM),
                other => other,
            };
            self.or_warn(done, "extended attributes that the disk or this user may not have were left out")?;
        }
        Ok(())
    }

    fn or_warn(&mut self, done: Result<(), Errno>, warning: &str) -> Result<(), Errno> {
        match done {
            Err(Errno::EPERM) => {
                self.summary.warn(warning);
                Ok(())
            }
            other => other,
        }
    }
}

const OWNERS: &str = "owners of files were left out, only root may set them";

fn modified(node: &Node) -> TimeSpec {
    let time = node.attributes.modified;
    TimeSpec::new(time.seconds, time.nanoseconds.into())
}
