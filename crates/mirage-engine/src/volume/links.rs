//! Files with several names, while everything in a folder is gone through.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};

use nix::sys::stat::FileStat;

/// The most memory for paths, in bytes, about.
const MAX_BYTES: usize = 64 << 20;

/// What a path costs besides its bytes, about.
const OVERHEAD: usize = 128;

/// The first names of files whose other names are still to come. Where there are too many, some are forgotten:
/// what has another name of theirs is then a file of its own.
pub(super) struct Links {
    first: HashMap<(u64, u64), (PathBuf, libc::nlink_t)>,
    bytes: usize,
    limit: usize,
}

impl Links {
    pub(super) fn new() -> Self {
        Self { first: HashMap::new(), bytes: 0, limit: MAX_BYTES }
    }

    /// The first name of this file, where this is another one. Each is asked for once.
    pub(super) fn first(&mut self, stat: &FileStat) -> Option<PathBuf> {
        let Entry::Occupied(mut found) = self.first.entry((stat.st_dev, stat.st_ino)) else { return None };
        let (_, left) = found.get_mut();
        *left -= 1;
        if *left > 0 {
            return Some(found.get().0.clone());
        }
        let (path, _) = found.remove();
        self.bytes -= cost(&path);
        Some(path)
    }

    /// Remembers the first name of a file that has others.
    pub(super) fn remember(&mut self, stat: &FileStat, path: &Path) {
        let (others, cost) = (stat.st_nlink.saturating_sub(1), cost(path));
        if others == 0 || self.bytes + cost > self.limit {
            return;
        }
        self.bytes += cost;
        self.first.insert((stat.st_dev, stat.st_ino), (path.to_owned(), others));
    }
}

fn cost(path: &Path) -> usize {
    path.as_os_str().len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use nix::sys::stat::fstat;

    use super::*;

    fn linked(folder: &Path, name: &str, names: u32) -> FileStat {
        let file = folder.join(name);
        fs::write(&file, "").unwrap();
        (1..names).for_each(|number| fs::hard_link(&file, folder.join(format!("{name}{number}"))).unwrap());
        fstat(File::open(file).unwrap()).unwrap()
    }

    #[test]
    fn a_file_is_forgotten_with_its_last_name() {
        let folder = tempfile::tempdir().unwrap();
        let (three, one) = (linked(folder.path(), "a", 3), linked(folder.path(), "b", 1));
        let mut links = Links::new();
        links.remember(&one, Path::new("b"));
        links.remember(&three, Path::new("a"));
        assert_eq!(links.first(&one), None);
        assert_eq!([links.first(&three), links.first(&three)], [Some("a".into()), Some("a".into())]);
        assert_eq!((links.first(&three), links.bytes, links.first.len()), (None, 0, 0));
    }

    #[test]
    fn more_names_than_there_is_room_for_become_files() {
        let folder = tempfile::tempdir().unwrap();
        let all: Vec<FileStat> =
            (0..100).map(|number| linked(folder.path(), &format!("{number}-"), 2)).collect();
        let mut links = Links { limit: 10 * cost(Path::new("long")), ..Links::new() };
        all.iter().for_each(|stat| links.remember(stat, Path::new("long")));
        assert_eq!(all.iter().filter(|stat| links.first(stat).is_some()).count(), 10);
        links.remember(&all[50], Path::new("long"));
        assert!(links.first(&all[50]).is_some(), "there is room again");
    }
}
