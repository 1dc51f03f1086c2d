//! Which crate may depend on which.

use super::Finding;
use crate::workspace::{Metadata, Package};

/// Every crate of the workspace and the crates of the workspace it may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("mirage-core", &[]),
    ("mirage-oci", &["mirage-core"]),
    ("mirage-engine", &["mirage-core"]),
    ("mirage-proxy", &["mirage-core"]),
    ("mirage-store", &["mirage-core"]),
    ("mirage-control", &["mirage-core", "mirage-store"]),
    ("mirage-api", &["mirage-core", "mirage-control"]),
    ("mirage-ui", &["mirage-core", "mirage-control"]),
    ("mirage-cli", &["mirage-core"]),
    ("mirage-fakes", &["mirage-core", "mirage-store", "mirage-control"]),
    (
        "mirage",
        &[
            "mirage-core",
            "mirage-oci",
            "mirage-engine",
            "mirage-proxy",
            "mirage-store",
            "mirage-control",
            "mirage-api",
            "mirage-ui",
            "mirage-cli",
        ],
    ),
    ("xtask", &[]),
];

/// Edges that tests alone may use, beside those above.
const FOR_TESTS: &[(&str, &str)] = &[
    ("mirage", "xtask"),
    ("mirage-api", "mirage-fakes"),
    ("mirage-ui", "mirage-fakes"),
    ("mirage-ui", "mirage-store"),
    // The pages show what is to be sent and typed elsewhere; their tests send and read it there.
    ("mirage-ui", "mirage-api"),
    ("mirage-ui", "mirage-cli"),
];

/// What must not be linked into a crate that does no IO.
const NOT_IN_CORE: &[&str] = &[
    "tokio",
    "async-std",
    "smol",
    "reqwest",
    "hyper",
    "axum",
    "sqlx",
    "rusqlite",
    "mio",
    "socket2",
    "nix",
    "rustix",
];

/// Crates that decide and do no IO.
const PURE: &[&str] = &["mirage-core"];

pub(super) fn check(metadata: &Metadata) -> Vec<Finding> {
    let mut found: Vec<Finding> =
        metadata.members().flat_map(|package| declared(metadata, package)).collect();
    for pure in PURE {
        let linked = metadata.linked_into(pure);
        let worldly = NOT_IN_CORE.iter().filter(|name| linked.contains(**name));
        found.extend(worldly.map(|name| {
            Finding::new(manifest(pure), 0, format!("`{name}` is linked into `{pure}`, which does no IO"))
        }));
    }
    found
}

fn declared(metadata: &Metadata, package: &Package) -> Vec<Finding> {
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package.name) else {
        let what = "no edges are listed for this crate in xtask/src/tidy/edges.rs; an eleventh crate needs a decision record";
        return vec![Finding::new(manifest(&package.name), 0, what)];
    };
    let mut found = Vec::new();
    for dependency in &package.dependencies {
        let inside = metadata.members().any(|member| member.name == dependency.name);
        let for_tests = dependency.kind.as_deref() == Some("dev")
            && FOR_TESTS.contains(&(package.name.as_str(), dependency.name.as_str()));
        if inside
            && !for_tests
            && dependency.name != package.name
            && !allowed.contains(&dependency.name.as_str())
        {
            let what = format!(
                "`{}` may not depend on `{}` (ARCHITECTURE.md, direction)",
                package.name, dependency.name
            );
            found.push(Finding::new(manifest(&package.name), 0, what));
        }
    }
    found
}

fn manifest(name: &str) -> String {
    match name {
        "xtask" => "xtask/Cargo.toml".to_owned(),
        name => format!("crates/{name}/Cargo.toml"),
    }
}
