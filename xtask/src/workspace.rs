//! Where the workspace is, and what `cargo` knows about it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// A `cargo` of the toolchain that built this program, to be run in the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root());
    command
}

/// The commit that is checked out, in ten digits.
///
/// # Errors
/// Where anything but the documents differs from it: what is measured then, nobody could check out.
pub(crate) fn commit() -> Result<String> {
    let git = |arguments: &[&str]| -> Result<String> {
        let told = Command::new("git").args(arguments).current_dir(root()).output()?;
        if !told.status.success() {
            bail!(
                "`git` does not know what is checked out: {}",
                String::from_utf8_lossy(&told.stderr).trim()
            );
        }
        Ok(String::from_utf8(told.stdout)?.trim().to_owned())
    };
    let changed = git(&["status", "--porcelain", "--", ".", ":(exclude)docs"])?;
    if !changed.is_empty() {
        bail!("only what is committed is written down, and this is not:\n{changed}");
    }
    git(&["rev-parse", "--short=10", "HEAD"])
}

/// Builds `mirage` for release; answers with where the binary is.
pub(crate) fn release_binary() -> Result<PathBuf> {
    let status = cargo().args(["build", "--release", "--package", "mirage"]).status()?;
    if !status.success() {
        bail!("the release binary does not build");
    }
    Ok(target()?.join("release/mirage"))
}

/// Where `cargo` puts what it builds: `target`, or what the environment or a configuration says instead.
pub(crate) fn target() -> Result<PathBuf> {
    Ok(Metadata::load()?.target_directory)
}

/// A crate that is built for the workspace: linked, run while building, or used by tests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Built {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Its licence as an SPDX expression; empty where it states none.
    pub(crate) license: String,
}

/// Every crate that is built on x86-64 Linux. `cargo metadata` would name optional ones that nobody
/// asked for as well; `cargo tree` knows.
pub(crate) fn built() -> Result<BTreeSet<Built>> {
    let output = cargo()
        .args(["tree", "--workspace", "--edges", "normal,build,dev", "--prefix", "none"])
        .args(["--format", "{p}|{l}|", "--target", "x86_64-unknown-linux-gnu"])
        .output()
        .context("`cargo tree` cannot be started")?;
    if !output.status.success() {
        bail!("`cargo tree`: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = String::from_utf8(output.stdout).context("`cargo tree` answers in an unknown form")?;
    text.lines().filter(|line| !line.is_empty()).map(Built::parse).collect()
}

impl Built {
    /// `serde v1.0.229|MIT OR Apache-2.0| (*)`.
    fn parse(line: &str) -> Result<Self> {
        let mut columns = line.split('|');
        let (package, license) = (columns.next().unwrap_or_default(), columns.next().unwrap_or_default());
        let mut words = package.split(' ');
        let (name, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let version = version.strip_prefix('v').with_context(|| format!("`cargo tree` says `{line}`"))?;
        Ok(Self { name: name.to_owned(), version: version.to_owned(), license: license.to_owned() })
    }
}

/// What `cargo metadata` says of the workspace and of everything it depends on.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    /// Every package, of the workspace and of the registry.
    pub(crate) packages: Vec<Package>,
    target_directory: PathBuf,
    resolve: Resolve,
    workspace_members: BTreeSet<String>,
    workspace_default_members: BTreeSet<String>,
}

/// One package in one version.
#[derive(Deserialize)]
pub(crate) struct Package {
    /// Cargo's identity of it.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// The edges that its `Cargo.toml` declares.
    pub(crate) dependencies: Vec<Dependency>,
}

/// An edge that a `Cargo.toml` declares.
#[derive(Deserialize)]
pub(crate) struct Dependency {
    /// Name of the package depended on.
    pub(crate) name: String,
    /// `dev`, `build`, or nothing for an ordinary dependency.
    pub(crate) kind: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<NodeDependency>,
}

#[derive(Deserialize)]
struct NodeDependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

impl Metadata {
    /// Asks `cargo` about this workspace as it is built on x86-64 Linux, without touching the lock file.
    pub(crate) fn load() -> Result<Self> {
        let output = cargo()
            .args(["metadata", "--format-version", "1", "--filter-platform", "x86_64-unknown-linux-gnu"])
            .output()
            .context("`cargo metadata` cannot be started")?;
        if !output.status.success() {
            bail!("`cargo metadata`: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        serde_json::from_slice(&output.stdout).context("`cargo metadata` answers in an unknown form")
    }

    /// The packages of this workspace.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    /// The packages that a `cargo` command without `--package` means.
    pub(crate) fn default_members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_default_members.contains(&package.id))
    }

    /// Names of everything that is linked into this package, itself included; what only its tests
    /// or build scripts use is left out.
    pub(crate) fn linked_into(&self, name: &str) -> BTreeSet<&str> {
        let names: BTreeMap<&str, &str> =
            self.packages.iter().map(|package| (package.id.as_str(), package.name.as_str())).collect();
        let edges: BTreeMap<&str, &Node> =
            self.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let mut seen = BTreeSet::new();
        let mut open: Vec<&str> = self
            .members()
            .filter(|package| package.name == name)
            .map(|package| package.id.as_str())
            .collect();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            let next = edges.get(id).map(|node| node.deps.as_slice()).unwrap_or_default();
            let ordinary = next.iter().filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind.is_none()));
            open.extend(ordinary.map(|dep| dep.pkg.as_str()));
        }
        seen.into_iter().filter_map(|id| names.get(id).copied()).collect()
    }
}
