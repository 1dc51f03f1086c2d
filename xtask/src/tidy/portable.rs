//! Nothing in the tree belongs to one machine.

use super::Finding;
use super::tree::{TextFile, Tree};

/// Where one developer's machine shows: the start of a path, and what must not stand before it.
const PATHS: &[&str] = &["/work/", "/root/.", "/home/", "/Users/"];

/// Hosts of package registries. Cargo's own is named by `Cargo.lock` alone, and mirrors by nobody.
const HOSTS: &[&str] = &[
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("registry.", "npmjs.org"),
    concat!("py", "pi.org"),
    concat!("files.", "pythonhosted.org"),
    concat!("proxy.", "golang.org"),
    concat!("deb.", "debian.org"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.files().filter(|file| !exempt(&file.path)).flat_map(findings).collect()
}

fn exempt(path: &str) -> bool {
    path.ends_with("Cargo.lock") || path == "xtask/src/tidy/portable.rs"
}

fn findings(file: &TextFile) -> Vec<Finding> {
    let mut found = Vec::new();
    let test = |number: usize| match &file.source {
        Some(source) => !source.product().any(|line| line.number == number),
        None => false,
    };
    for (index, text) in file.text.lines().enumerate() {
        let number = index + 1;
        // Tests make up file trees of containers, where `/home/app` is nobody's machine.
        if let Some(path) = PATHS.iter().find(|path| starts_path(text, path))
            && !test(number)
        {
            found.push(Finding::new(&file.path, number, format!("`{path}` is a path of one machine")));
        }
        found.extend(
            HOSTS
                .iter()
                .filter(|host| text.contains(**host))
                .map(|host| Finding::new(&file.path, number, format!("`{host}` is a package registry"))),
        );
    }
    found
}

/// Whether `path` occurs where a path may start: `"/work/a"` does, `a/work/b` does not.
fn starts_path(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '>' | '}'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_one_machine_is_found_outside_tests() {
        let path = PATHS[0];
        let text = format!("let a = \"{path}main\";\nlet b = \"net{path}main\";\n");
        let tree = Tree::new(vec![("crates/x/src/lib.rs".to_owned(), text)]);
        assert_eq!(check(&tree).iter().map(|finding| finding.line).collect::<Vec<_>>(), [1]);
    }
}
