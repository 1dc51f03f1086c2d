//! The map agrees with the land.

use std::collections::BTreeMap;

use super::Finding;
use super::tree::Tree;
use crate::workspace::Metadata;

const MAP: &str = "ARCHITECTURE.md";

pub(super) fn check(tree: &Tree, metadata: &Metadata) -> Vec<Finding> {
    let mut found = Vec::new();
    for needed in [MAP, "CHANGELOG.md", "README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        if !tree.has(needed) {
            found.push(Finding::new(needed, 0, "is missing"));
        }
    }
    found.extend(map(tree, metadata));
    found.extend(decisions(tree));
    for document in tree.files().filter(|file| file.path.ends_with(".md")) {
        found.extend(links(tree, &document.path, &document.text));
    }
    found
}

/// Every crate is on the map, and every path on the map is there.
fn map(tree: &Tree, metadata: &Metadata) -> Vec<Finding> {
    let text = tree.text(MAP).unwrap_or_default();
    let mut found = Vec::new();
    for member in metadata.members() {
        if !text.contains(&format!("`{}`", member.name)) {
            found.push(Finding::new(MAP, 0, format!("the code map does not name `{}`", member.name)));
        }
    }
    for (index, line) in text.lines().enumerate() {
        for path in quoted_paths(line).filter(|path| !tree.has(path)) {
            found.push(Finding::new(MAP, index + 1, format!("`{path}` is not there")));
        }
    }
    found
}

/// What stands in backticks and looks like a path of the workspace.
fn quoted_paths(line: &str) -> impl Iterator<Item = &str> {
    let quoted = line.split('`').skip(1).step_by(2);
    quoted.filter(|text| {
        ["crates/", "xtask/", "docs/", "fuzz/", ".ci/"].iter().any(|start| text.starts_with(start))
    })
}

/// Records are `docs/decisions/NNNN-words.md`, each number once.
fn decisions(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for name in tree.folder("docs/decisions") {
        let path = format!("docs/decisions/{name}");
        let Some((number, _)) = name.split_once('-').filter(|(number, rest)| {
            number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit()) && rest.ends_with(".md")
        }) else {
            found.push(Finding::new(path, 0, "a decision record is called `0042-what-was-decided.md`"));
            continue;
        };
        if let Some(other) = seen.insert(number, name) {
            found.push(Finding::new(path, 0, format!("`{other}` has this number too")));
        }
    }
    found
}

/// Links between documents lead somewhere.
fn links(tree: &Tree, path: &str, text: &str) -> Vec<Finding> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") || file.starts_with("mailto:") {
                continue;
            }
            let resolved = resolve(folder, file);
            if !tree.has(&resolved) {
                found.push(Finding::new(path, index + 1, format!("the link to `{file}` leads nowhere")));
            }
        }
    }
    found
}

/// A relative path from a folder, with its `..` taken.
fn resolve(folder: &str, file: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_nowhere_and_a_number_used_twice_are_found() {
        let tree = Tree::new(
            [
                ("docs/decisions/0001-a.md", "[up](../API.md) [gone](../gone.md)"),
                ("docs/decisions/0001-b.md", ""),
                ("docs/API.md", "[web](https://example.com)"),
            ]
            .map(|(path, text)| (path.to_owned(), text.to_owned()))
            .into(),
        );
        assert_eq!(decisions(&tree).len(), 1);
        let text = tree.text("docs/decisions/0001-a.md").unwrap();
        let found = links(&tree, "docs/decisions/0001-a.md", text);
        assert_eq!(found.len(), 1);
        assert!(found[0].what.contains("gone.md"));
    }
}
