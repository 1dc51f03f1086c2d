//! Small habits that clippy cannot see, or sees only where it runs.

use super::Finding;
use super::source::Line;
use super::tree::Tree;

/// What the product may not contain, and what to write instead.
const BANNED: &[(&str, &str)] = &[
    (
        ".unwrap()",
        "`unwrap` belongs into tests: return the error, or write the case that cannot happen as a value",
    ),
    (
        "#[allow(",
        "`#[expect(lint, reason = \"...\")]` instead of `#[allow]`: it says why, and when it is over",
    ),
    (
        "#![allow(",
        "`#![expect(lint, reason = \"...\")]` instead of `#![allow]`: it says why, and when it is over",
    ),
    ("todo!(", "unfinished"),
    ("unimplemented!(", "unfinished"),
];

/// Programs that would join text into a command line.
const SHELLS: &[&str] = &["\"sh\"", "\"bash\"", "\"/bin/sh\"", "\"/bin/bash\"", "\"/usr/bin/env\""];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, source) in tree.sources() {
        for line in source.product() {
            found.extend(banned(line).map(|why| Finding::new(path, line.number, why)));
        }
    }
    found.extend(shells(tree));
    found
}

fn banned(line: &Line) -> impl Iterator<Item = &'static str> {
    BANNED.iter().filter(|(text, _)| line.code.contains(text)).map(|(_, why)| *why)
}

/// `Command::new("sh")`: the literal is gone from the code, so the text of the line is asked.
fn shells(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.files() {
        let Some(source) = &file.source else { continue };
        let texts: Vec<&str> = file.text.lines().collect();
        for line in source.product().filter(|line| line.code.contains("Command::new(\"\")")) {
            let text = texts.get(line.number - 1).copied().unwrap_or_default();
            if SHELLS.iter().any(|shell| text.contains(&format!("Command::new({shell})"))) {
                found.push(Finding::new(
                    &file.path,
                    line.number,
                    "no shell: name the program and its arguments",
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_found_and_an_unwrap_outside_tests_too() {
        let text = "fn f() { x.unwrap(); }\nfn g() { Command::new(\"sh\"); }\n#[cfg(test)]\nmod tests { fn f() { x.unwrap(); } }\n";
        let tree = Tree::new(vec![("crates/x/src/lib.rs".to_owned(), text.to_owned())]);
        let lines: Vec<usize> = check(&tree).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [1, 2]);
    }
}
