//! From drafts to a data folder: everything of a restore, or nothing.
//!
//! What is restored lies in `restoring` until all of it is on the disk. A file `complete` in it is the moment at
//! which it counts: whoever finds the folder without it removes it, whoever finds it there moves what is left to move.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use mirage_core::fault::point_io;
use mirage_core::{Code, Error, Result};
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

/// Where drafts lie, below the data folder.
const FOLDER: &str = "restoring";
/// Says that nothing is missing, and where what is replaced goes.
const COMPLETE: &str = "complete";
/// What is moved, the database last: with it there is a platform.
const PARTS: &[&str] = &["content", "vault.key", DATABASE];
pub(super) const DATABASE: &str = "mirage.db";
/// What SQLite keeps beside a database.
const BESIDE: &[&str] = &["mirage.db-wal", "mirage.db-shm"];

/// A restore in the making. Dropped before it is kept, it leaves nothing.
pub(super) struct Drafts {
    data: PathBuf,
    kept: bool,
}

impl Drafts {
    /// Makes the folder, in place of one that is there.
    pub(super) fn make(data: &Path) -> Result<Self> {
        let folder = data.join(FOLDER);
        let parts = || PARTS.iter().chain(BESIDE).map(|part| data.join(part));
        if let Some(mounted) = parts().find(|part| is_mounted(part)) {
            return Err(in_the_way(&mounted).hint(
                "unmount it and restore without it, or mount a disk for the whole data folder instead",
            ));
        }
        remove(&folder)
            .and_then(|()| DirBuilder::new().mode(0o700).create(&folder))
            .map_err(|cause| broken(&folder, cause))?;
        Ok(Self { data: data.to_owned(), kept: false })
    }

    /// Where a part is made.
    pub(super) fn path(&self, part: &str) -> PathBuf {
        self.data.join(FOLDER).join(part)
    }

    /// Everything is there: gives it its names. What has them goes into the folder `aside`.
    pub(super) fn keep(mut self, aside: &str) -> Result<()> {
        let folder = self.data.join(FOLDER);
        commit(&folder, aside).map_err(|cause| broken(&folder, cause))?;
        self.kept = true;
        settle(&self.data).map(drop)
    }
}

impl Drop for Drafts {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = remove(&self.data.join(FOLDER))
        {
            tracing::warn!(%error, "the drafts of a restore stay until the next start");
        }
    }
}

/// Whether something of a platform is in a data folder.
pub(super) fn is_taken(data: &Path) -> Option<PathBuf> {
    [DATABASE, "content"].iter().map(|part| data.join(part)).find(|path| path.exists())
}

/// The first name of this kind that nothing has: what another restore moved aside in the same second stays.
pub(super) fn aside(data: &Path, name: &str) -> String {
    let more = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(more);
    names.find(|name| data.join(name).symlink_metadata().is_err()).unwrap_or_default()
}

/// Ends a restore that was broken off: completes what was decided, removes what was not. Whoever calls this has the
/// lock of the data folder. Answers whether something was completed.
pub(crate) fn settle(data: &Path) -> Result<bool> {
    let folder = data.join(FOLDER);
    let aside = match fs::read_to_string(folder.join(COMPLETE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            remove(&folder).map_err(|cause| broken(&folder, cause))?;
            return Ok(false);
        }
        other => data.join(other.map_err(|cause| broken(&folder, cause))?.trim()),
    };
    let mut parts = PARTS.iter().filter(|part| folder.join(part).exists()).map(|part| data.join(part));
    if let Some(mounted) = parts.find(|part| is_mounted(part)) {
        return Err(in_the_way(&mounted).hint("unmount it, then start again: the restore is completed then"));
    }
    let moved = || {
        for part in PARTS.iter().filter(|part| folder.join(part).exists()) {
            // A log that belongs to another database would be written into this one.
            let beside = if *part == DATABASE { BESIDE } else { &[] };
            for old in beside.iter().chain([part]).filter(|old| data.join(old).exists()) {
                DirBuilder::new().recursive(true).mode(0o700).create(&aside)?;
                point_io("restore/aside")?;
                fs::rename(data.join(old), aside.join(old))?;
            }
            point_io("restore/move")?;
            fs::rename(folder.join(part), data.join(part))?;
            point_io("restore/moved")?;
            File::open(data)?.sync_all()?;
        }
        point_io("restore/clear")?;
        remove(&folder)
    };
    moved().map_err(|cause| broken(data, cause)).map(|()| true)
}

/// Whether something is mounted right there: then it cannot be moved.
fn is_mounted(path: &Path) -> bool {
    let found = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS);
    found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

fn in_the_way(mounted: &Path) -> Error {
    let message = format!("`{}` is a mount of its own, which a restore cannot replace", mounted.display());
    Error::new(Code::Conflict, message)
}

/// Brings everything to the disk, then says so.
fn commit(folder: &Path, aside: &str) -> io::Result<()> {
    let opened = File::open(folder)?;
    nix::unistd::syncfs(&opened)?;
    let draft = folder.join("complete.draft");
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(aside.as_bytes())?;
    file.sync_all()?;
    point_io("restore/complete")?;
    fs::rename(draft, folder.join(COMPLETE))?;
    point_io("restore/completed")?;
    opened.sync_all()?;
    // The folder itself has to be found there, too.
    File::open(folder.parent().unwrap_or(folder))?.sync_all()
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

pub(super) fn broken(path: &Path, cause: io::Error) -> Error {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::new(Code::DiskFull, format!("the disk that holds `{}` is full", path.display()))
                .hint("free some space, or choose another folder with `--data-dir`")
                .because(cause)
        }
        _ => Error::internal(&format!("restore into `{}`", path.display()), cause),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What is in a data folder, but for drafts.
    fn seen(data: &Path) -> BTreeMap<String, String> {
        let mut seen = BTreeMap::new();
        let mut open = vec![data.to_owned()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => open.push(path),
                    false => {
                        let name = path.strip_prefix(data).unwrap().display().to_string();
                        seen.insert(name, fs::read_to_string(&path).unwrap());
                    }
                }
            }
        }
        seen
    }

    fn old(data: &Path) {
        fs::create_dir(data.join("content")).unwrap();
        for file in ["content/blob", "mirage.db", "mirage.db-wal", "vault.key"] {
            fs::write(data.join(file), "old").unwrap();
        }
    }

    fn drafted(data: &Path) -> Drafts {
        let drafts = Drafts::make(data).unwrap();
        fs::create_dir(drafts.path("content")).unwrap();
        fs::create_dir(drafts.path("run")).unwrap();
        fs::write(drafts.path("content").join("blob"), "new").unwrap();
        fs::write(drafts.path(DATABASE), "new").unwrap();
        drafts
    }

    fn pairs<const N: usize>(all: [(&str, &str); N]) -> BTreeMap<String, String> {
        all.map(|(name, text)| (name.to_owned(), text.to_owned())).into()
    }

    const AFTER: [(&str, &str); 6] = [
        ("aside/content/blob", "old"),
        ("aside/mirage.db", "old"),
        ("aside/mirage.db-wal", "old"),
        ("content/blob", "new"),
        ("mirage.db", "new"),
        ("vault.key", "old"),
    ];

    #[test]
    fn what_is_kept_takes_the_place_of_what_was_there() {
        let data = tempfile::tempdir().unwrap();
        old(data.path());
        drafted(data.path()).keep("aside").unwrap();
        assert_eq!(seen(data.path()), pairs(AFTER));
        assert!(!settle(data.path()).unwrap(), "there is nothing left to do");
    }

    #[test]
    fn what_is_not_kept_leaves_nothing() {
        let data = tempfile::tempdir().unwrap();
        old(data.path());
        let before = seen(data.path());
        drop(drafted(data.path()));
        assert_eq!(seen(data.path()), before);
        std::mem::forget(drafted(data.path()));
        assert!(!settle(data.path()).unwrap());
        assert_eq!(seen(data.path()), before);
    }

    #[test]
    fn what_was_moved_aside_in_the_same_second_stays() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(aside(data.path(), "replaced"), "replaced");
        fs::create_dir(data.path().join("replaced")).unwrap();
        assert_eq!(aside(data.path(), "replaced"), "replaced-2");
        fs::create_dir(data.path().join("replaced-2")).unwrap();
        assert_eq!(aside(data.path(), "replaced"), "replaced-3");
    }

    #[test]
    fn a_restore_that_was_broken_off_between_two_names_is_completed() {
        // After each of the renames that lead from one to the other.
        for steps in 0..=5 {
            let data = tempfile::tempdir().unwrap();
            let here = |name: &str| data.path().join(name);
            old(data.path());
            let drafts = drafted(data.path());
            commit(&here(FOLDER), "aside").unwrap();
            std::mem::forget(drafts);
            let renames = [
                ("content", "aside/content"),
                ("restoring/content", "content"),
                ("mirage.db-wal", "aside/mirage.db-wal"),
                ("mirage.db", "aside/mirage.db"),
                ("restoring/mirage.db", "mirage.db"),
            ];
            for (from, to) in &renames[..steps] {
                fs::create_dir_all(here("aside")).unwrap();
                fs::rename(here(from), here(to)).unwrap();
            }
            assert!(settle(data.path()).unwrap());
            assert_eq!(seen(data.path()), pairs(AFTER), "broken off after {steps} steps");
        }
    }

    #[test]
    fn what_is_mounted_is_in_the_way_before_anything_is_decided_and_named_after_that() {
        use nix::mount::{MsFlags, mount};
        use nix::sched::{CloneFlags, unshare};

        let data = tempfile::tempdir().unwrap();
        let content = data.path().join("content");
        fs::create_dir(&content).unwrap();
        let drafts = drafted(data.path());
        commit(&data.path().join(FOLDER), "aside").unwrap();
        std::mem::forget(drafts);
        // Mounts of a thread that has a namespace of its own are gone with it.
        let seen = std::thread::scope(|scope| {
            let story = || {
                unshare(CloneFlags::CLONE_NEWNS).ok()?;
                let none = None::<&str>;
                mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).ok()?;
                // Of the same file system: only its place tells.
                mount(Some(&content), &content, none, MsFlags::MS_BIND, none).ok()?;
                Some([settle(data.path()).err(), Drafts::make(data.path()).err()])
            };
            scope.spawn(story).join().unwrap()
        });
        let Some(seen) = seen else { return println!("skipped: mounts need root") };
        for (error, hint) in seen.into_iter().zip(["start again", "whole data folder"]) {
            let error = error.unwrap();
            assert_eq!(error.code(), Code::Conflict);
            assert!(error.message().contains("/content` is a mount of its own"), "{}", error.message());
            assert!(error.next_step().unwrap().contains(hint));
        }
        assert!(settle(data.path()).unwrap(), "nothing is mounted there any more");
        assert_eq!(fs::read_to_string(data.path().join("content/blob")).unwrap(), "new");
    }
}
