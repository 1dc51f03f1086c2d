//! `unsafe` stands only where the kernel demands it.

use super::Finding;
use super::tree::Tree;

/// Every file of the product that may contain `unsafe`, and what for.
const LISTED: &[(&str, &str)] = &[];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, source) in tree.sources() {
        let first = source.product().find(|line| has_word(&line.code, "unsafe"));
        let listed = LISTED.iter().any(|(listed, _)| *listed == path);
        match (first, listed) {
            (Some(line), false) => found.push(Finding::new(
                path,
                line.number,
                "`unsafe` outside the files listed in xtask/src/tidy/unsafety.rs: is there a safe call in nix?",
            )),
            (None, true) => found.push(Finding::new(path, 0, "listed for `unsafe` in xtask/src/tidy/unsafety.rs, but has none")),
            _ => {}
        }
    }
    let gone = LISTED.iter().filter(|(listed, _)| !tree.has(listed));
    found.extend(
        gone.map(|(listed, _)| Finding::new(*listed, 0, "listed for `unsafe`, but there is no such file")),
    );
    found
}

fn has_word(code: &str, word: &str) -> bool {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
}
