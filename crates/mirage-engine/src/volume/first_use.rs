//! What a volume holds when it is used for the first time: what the image has at its path.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use mirage_core::fault::point_io;
use nix::sys::stat::{SFlag, fstat};

use super::attributes::Attributes;
use super::links::Links;
use super::place::Place;
use super::tree::Tree;
use super::walk::walk;
use crate::local::sweep;

/// Gives a volume without data its first: a copy of what is in `image`, with the attributes of that folder
/// or, where the image has none there, for this user and group. Broken off, it begins anew the next time.
///
/// # Errors
/// Whatever the kernel says.
pub(crate) fn fill(place: &Place, image: Option<&OwnedFd>, owner: (u32, u32)) -> io::Result<()> {
    let data = place.data();
    if data.exists() {
        return Ok(());
    }
    let _turn = place.hold_draft()?;
    if data.exists() {
        return Ok(());
    }
    let draft = place.draft();
    sweep::remove(&draft)?;
    DirBuilder::new().mode(0o700).create(&draft)?;
    point_io("volume/fill")?;
    let tree = Tree::open(&draft)?;
    match image {
        Some(image) => {
            copy(image, &tree)?;
            let attributes = Attributes::of(&fstat(image)?).with_extended(image)?;
            tree.folder(Path::new(""), &attributes)?;
        }
        None => {
            let made = Attributes::of(&fstat(fs::File::open(&draft)?)?);
            let attributes = Attributes { mode: 0o755, uid: owner.0, gid: owner.1, ..made };
            tree.folder(Path::new(""), &attributes)?;
        }
    }
    tree.sync()?;
    point_io("volume/name")?;
    fs::rename(&draft, &data)?;
    point_io("volume/named")?;
    place.settle()
}

fn copy(image: &OwnedFd, tree: &Tree) -> io::Result<()> {
    let mut links = Links::new();
    walk(image, |found| {
        let attributes = Attributes::of(&found.stat);
        match found.kind() {
            SFlag::S_IFDIR => {
                if let Some((folder, _)) = found.open()? {
                    tree.folder(&found.path, &attributes.with_extended(&folder)?)?;
                }
            }
            SFlag::S_IFREG => {
                if let Some(existing) = links.first(&found.stat) {
                    tree.hard_link(&found.path, &existing)?;
                } else if let Some((mut file, _)) = found.open()? {
                    let attributes = attributes.with_extended(&file)?;
                    tree.file(&found.path, &attributes, &mut file, &mut |_| Ok(()))?;
                    links.remember(&found.stat, &found.path);
                }
            }
            SFlag::S_IFLNK => {
                if let Some(target) = found.target()? {
                    tree.link(&found.path, &target, &attributes)?;
                }
            }
            SFlag::S_IFIFO => tree.pipe(&found.path, &attributes)?,
            // A device of the image would be of no use: none can be opened in a volume.
            _ => {}
        }
        Ok(true)
    })
}
