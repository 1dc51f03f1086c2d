//! What a platform leaves on a machine: processes, mounts, links, neighbours, tables, cgroups.

use std::collections::BTreeSet;
use std::path::Path;

use super::process::{is_installed, run};

/// What everything of the platform in this data folder can be told by: the folder in command lines
/// and mounts, and the platform's number in the names of links, tables and cgroups.
pub fn marks_of(data: &Path) -> Vec<String> {
    let mut marks = vec![data.to_string_lossy().into_owned()];
    if let Some(node) = node_of(data) {
        marks.extend([
            format!("mir{node}-"),
            format!("mv{node}-"),
            format!("mirage_{node}"),
            format!("mirage-{node}"),
        ]);
    }
    marks
}

/// The platform's number: six hexadecimal digits.
pub fn node_of(data: &Path) -> Option<String> {
    let files = ["mirage.db", "mirage.db-wal"].map(|name| std::fs::read(data.join(name)).unwrap_or_default());
    files.iter().find_map(|bytes| node(bytes)).map(str::to_owned)
}

/// The platform's number, from the bytes of its database: SQLite writes the columns of a row one
/// after the other, here the name `node` and six hexadecimal digits.
fn node(database: &[u8]) -> Option<&str> {
    let digits = |at: usize| database.get(at..at + 6).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let named = database.windows(4).enumerate().filter(|(_, window)| window == b"node").map(|(at, _)| at + 4);
    named.filter_map(digits).find(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Everything on this machine that carries one of these marks: a folder's path, or the short name
/// under which a platform's network and cgroups go.
pub fn carrying(marks: &[String]) -> Vec<String> {
    let mut found = BTreeSet::new();
    for (kind, thing) in everything() {
        if marks.iter().any(|mark| thing.contains(mark.as_str())) {
            found.insert(format!("{kind} {thing}"));
        }
    }
    found.into_iter().collect()
}

fn everything() -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    all.extend(processes().into_iter().map(|process| ("process", process)));
    all.extend(mounts().into_iter().map(|mount| ("mount", mount)));
    all.extend(names(Path::new("/sys/class/net")).into_iter().map(|link| ("link", link)));
    all.extend(neighbours().into_iter().map(|neighbour| ("neighbour", neighbour)));
    all.extend(tables().into_iter().map(|table| ("nft", table)));
    all.extend(cgroups().into_iter().map(|cgroup| ("cgroup", cgroup)));
    all
}

/// Command lines of every process but this one.
fn processes() -> Vec<String> {
    let own = std::process::id().to_string();
    let others =
        names(Path::new("/proc")).into_iter().filter(|name| *name != own && name.parse::<u32>().is_ok());
    others
        .filter_map(|id| {
            let line = std::fs::read(format!("/proc/{id}/cmdline")).ok()?;
            let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
            Some(format!("{id} {}", words.join(" ").trim()))
        })
        .collect()
}

fn mounts() -> Vec<String> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    text.lines().filter_map(|line| line.split(' ').nth(4)).map(str::to_owned).collect()
}

/// Neighbours that the kernel was told of for good: the address, and the link it is reached by.
fn neighbours() -> Vec<String> {
    let text = std::fs::read_to_string("/proc/net/arp").unwrap_or_default();
    let permanent = |line: &str| {
        let columns: Vec<_> = line.split_whitespace().collect();
        // Flags, from `linux/if_arp.h`: complete (2) and permanent (4).
        (columns.get(2) == Some(&"0x6")).then(|| format!("{} {}", columns[0], columns[columns.len() - 1]))
    };
    text.lines().filter_map(permanent).collect()
}

fn tables() -> Vec<String> {
    if !is_installed("nft") {
        return Vec::new();
    }
    let text = run("nft", &["list", "tables"]).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Cgroups of the first levels, in every hierarchy.
fn cgroups() -> Vec<String> {
    let root = Path::new("/sys/fs/cgroup");
    let mut all = Vec::new();
    let mut open = vec![(root.to_path_buf(), 0)];
    while let Some((folder, depth)) = open.pop() {
        for name in names(&folder).into_iter().filter(|name| folder.join(name).is_dir()) {
            all.push(folder.join(&name).to_string_lossy().into_owned());
            if depth < 3 {
                open.push((folder.join(name), depth + 1));
            }
        }
    }
    all
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(Result::ok).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
