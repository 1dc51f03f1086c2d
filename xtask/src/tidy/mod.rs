//! The rules of `ARCHITECTURE.md` as checks that fail.
//!
//! Each rule is one file with one function from the [`Tree`] (and, where it needs it, from what
//! `cargo` knows) to findings. A new rule is a new file and one line in [`findings`].

mod documents;
mod edges;
mod front_door;
mod habits;
mod joins;
mod length;
mod portable;
mod programs;
mod secrets;
mod source;
mod supply;
mod tree;
mod unsafety;

use std::fmt;
use std::path::Path;

use anyhow::Result;

use crate::workspace::{Metadata, built, root};
use tree::Tree;

/// A place that breaks a rule of the house.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// File, from the root of the workspace.
    pub path: String,
    /// Line, counted from 1; 0 where the whole file is meant.
    pub line: usize,
    /// What is wrong and what would be right.
    pub what: String,
}

impl Finding {
    fn new(path: impl Into<String>, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.into(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// Checks the workspace and prints what it finds; `true` where there is nothing.
pub(crate) fn command() -> Result<bool> {
    let found = findings(&root())?;
    for finding in &found {
        println!("{finding}");
    }
    match found.len() {
        0 => println!("tidy: nothing to say"),
        1 => println!("tidy: 1 finding"),
        many => println!("tidy: {many} findings"),
    }
    Ok(found.is_empty())
}

/// Every place in the workspace below `root` that breaks a rule, in order of files.
///
/// # Errors
/// Where the workspace cannot be read, or `cargo metadata` or `deny.toml` is not understood.
pub fn findings(root: &Path) -> Result<Vec<Finding>> {
    let tree = Tree::read(root)?;
    let metadata = Metadata::load()?;
    let mut found = Vec::new();
    found.extend(edges::check(&metadata));
    found.extend(front_door::check(&metadata));
    found.extend(joins::check(&tree));
    found.extend(unsafety::check(&tree));
    found.extend(length::check(&tree));
    found.extend(habits::check(&tree));
    found.extend(programs::check(&tree));
    found.extend(secrets::check(&tree));
    found.extend(portable::check(&tree));
    found.extend(documents::check(&tree, &metadata));
    found.extend(supply::check(&tree, &built()?)?);
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_tidy() {
        let found: Vec<String> = findings(&root()).unwrap().iter().map(Finding::to_string).collect();
        assert!(found.is_empty(), "\n{}", found.join("\n"));
    }
}
