//! `unsafe` stands only where the kernel demands it.

use super::Finding;
use super::tree::Tree;

/// Every file of the product that may contain `unsafe`, and what for.
const LISTED: &[(&str, &str)] = &[
    ("crates/mirage-engine/src/cgroup/device_program.rs", "bpf(2): the device rules of cgroup 2"),
    ("crates/mirage-engine/src/logs/watch.rs", "an inotify descriptor in tokio's reactor"),
    ("crates/mirage-engine/src/process.rs", "fork(2) in a process with one thread"),
    ("crates/mirage-engine/src/seccomp/install.rs", "seccomp(2)"),
    ("crates/mirage-engine/src/shim/children.rs", "kill(2) of a child that cannot have been replaced"),
    ("crates/mirage-oci/src/content/loop_device.rs", "the requests of loop devices"),
    ("crates/mirage-oci/src/layer/directory/xattr.rs", "extended attributes, which neither std nor nix has"),
    ("crates/mirage-proxy/src/control/descriptors.rs", "descriptors that came over a unix socket"),
    ("crates/mirage/sample/hello.rs", "the sample program runs without a C library"),
    ("xtask/sample/clock.rs", "takes the place of two functions of the C library in processes under test"),
];

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
