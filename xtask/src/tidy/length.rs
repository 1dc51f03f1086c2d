//! No file over 500 lines, its tests not counted.

use super::Finding;
use super::tree::Tree;

/// The most lines a hand-written file may have without its tests.
const MOST: usize = 500;

/// Files that are longer, and why they may be.
const LONGER: &[(&str, &str)] = &[];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let long = tree.sources().filter(|(path, _)| !LONGER.iter().any(|(exempt, _)| path == exempt));
    let counted = long.map(|(path, source)| (path, source.product().count()));
    counted
        .filter(|(_, lines)| *lines > MOST)
        .map(|(path, lines)| {
            Finding::new(path, 0, format!("{lines} lines, at most {MOST}: which second noun lives here?"))
        })
        .collect()
}
