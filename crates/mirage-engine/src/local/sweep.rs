//! Removes what a container wrote.
//!
//! A container can nest folders until any recursion overflows its stack or its descriptors, and may
//! have put links to anywhere. So nothing here is recursive and nothing follows a link: a folder
//! within a folder is first moved up beside it, which takes one call however much is in it.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, renameat};
use nix::sys::stat::{Mode, SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

/// Removes a file, link or folder with everything in it. What is not there is removed already.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(meta) if meta.is_dir() => {
            let top = open(nix::fcntl::AT_FDCWD, path)?;
            flatten(&top)?;
            drop(top);
            fs::remove_dir(path)
        }
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    }
}

/// Empties `top`: takes one folder in it at a time, deletes its files, and moves its folders up.
fn flatten(top: &Dir) -> io::Result<()> {
    let mut moved = 0_u64;
    loop {
        let folders = clear(top, |_| Ok(false))?;
        if folders.is_empty() {
            return Ok(());
        }
        for name in folders {
            let folder = open(top, name.as_c_str())?;
            let inner = clear(&folder, |inner| {
                moved += 1;
                move_up(&folder, inner, top, &format!(".sweep{moved}"))
            })?;
            drop(folder);
            if inner.is_empty() {
                unlinkat(top, name.as_c_str(), UnlinkatFlags::RemoveDir)?;
            }
        }
    }
}

/// Deletes the files in a folder, and hands its folders to `take`; answers with those it left.
fn clear(
    folder: &Dir,
    mut take: impl FnMut(&CStr) -> io::Result<bool>,
) -> io::Result<Vec<std::ffi::CString>> {
    let mut left = Vec::new();
    let mut entries = Dir::openat(folder, c".", flags(), Mode::empty())?;
    for entry in entries.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        if !is_folder(folder, name, entry.file_type())? {
            unlinkat(folder, name, UnlinkatFlags::NoRemoveDir)?;
        } else if !take(name)? {
            left.push(name.to_owned());
        }
    }
    Ok(left)
}

/// Moves a folder up; answers whether it went. A name that is taken is tried again in the next round.
fn move_up(from: &Dir, name: &CStr, to: &Dir, new: &str) -> io::Result<bool> {
    match renameat(from, name, to, new) {
        Ok(()) => Ok(true),
        Err(Errno::EEXIST | Errno::ENOTEMPTY | Errno::ENOTDIR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn is_folder(folder: &Dir, name: &CStr, kind: Option<Type>) -> io::Result<bool> {
    match kind {
        Some(kind) => Ok(kind == Type::Directory),
        None => {
            let mode = fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW)?.st_mode;
            Ok(SFlag::from_bits_truncate(mode) & SFlag::S_IFMT == SFlag::S_IFDIR)
        }
    }
}

fn open<P: ?Sized + nix::NixPath>(at: impl AsFd, path: &P) -> io::Result<Dir> {
    Ok(Dir::openat(at, path, flags(), Mode::empty())?)
}

fn flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_removed_and_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("precious"), "").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("top");
        fs::create_dir_all(top.join("a/b/c")).unwrap();
        fs::write(top.join("a/b/file"), "").unwrap();
        symlink(outside.path(), top.join("a/b/c/link")).unwrap();
        symlink(outside.path(), top.join("link")).unwrap();
        fs::create_dir_all(top.join(".sweep1/x")).unwrap();
        fs::write(top.join(".sweep2"), "").unwrap();
        remove(&top).unwrap();
        assert!(!top.exists() && outside.path().join("precious").exists());
        remove(&top).unwrap();
    }

    #[test]
    fn a_folder_nested_two_thousand_deep_goes_too() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("top");
        fs::create_dir(&top).unwrap();
        let mut at = Dir::open(&top, flags(), Mode::empty()).unwrap();
        for _ in 0..2_000 {
            nix::sys::stat::mkdirat(&at, c"d", Mode::S_IRWXU).unwrap();
            at = open(&at, c"d").unwrap();
        }
        drop(at);
        remove(&top).unwrap();
        assert!(!top.exists());
    }
}
