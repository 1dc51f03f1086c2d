//! Programs of the host are started only where a user asked for it.

use super::Finding;
use super::tree::Tree;

/// Every file of the product that may start a program, and which.
const LISTED: &[(&str, &str)] = &[
    (
        "crates/mirage-cli/src/docker_config/helper.rs",
        "the credential helpers that the user's own docker names",
    ),
    ("crates/mirage-engine/src/local/exec.rs", "Mirage itself, as a runner of commands"),
    ("crates/mirage-engine/src/local/launch.rs", "Mirage itself, as a shim"),
    ("crates/mirage-engine/src/runtime/program.rs", "the OCI runtime that was named with `--runtime`"),
    ("crates/mirage/build.rs", "the compiler, for the sample program"),
    ("crates/mirage/src/platform/proxy/wanted.rs", "Mirage itself, as the proxy"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, source) in tree.sources().filter(|(path, _)| path.starts_with("crates/")) {
        let first = source.product().find(|line| line.code.contains("Command::new("));
        match (first, LISTED.iter().any(|(listed, _)| *listed == path)) {
            (Some(line), false) => found.push(Finding::new(
                path,
                line.number,
                "a program is started outside the files listed in xtask/src/tidy/programs.rs: it may not be there, or be another",
            )),
            (None, true) => found.push(Finding::new(path, 0, "listed in xtask/src/tidy/programs.rs, but starts no program")),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check(&Tree::new(vec![(path.to_owned(), text.to_owned())])).len()
    }

    #[test]
    fn a_program_is_started_in_the_listed_files_alone() {
        let (listed, starts) = (LISTED[0].0, "fn f() { Command::new(\"git\"); }\n");
        assert_eq!(findings("crates/x/src/lib.rs", starts), 1);
        assert_eq!(findings(listed, starts), 0);
        assert_eq!(findings(listed, "fn f() {}\n"), 1);
        assert_eq!(findings("crates/x/tests/it/main.rs", starts), 0);
        assert_eq!(findings("crates/x/src/lib.rs", &format!("#[cfg(test)]\nmod tests {{ {starts} }}\n")), 0);
    }
}
