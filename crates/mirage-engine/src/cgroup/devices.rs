//! The devices that processes of a container may open, the same for every container.

use std::fs;
use std::io;
use std::path::Path;

/// A character device that may be used; no minor number means every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// Major number.
    pub(crate) major: u32,
    /// Minor number.
    pub(crate) minor: Option<u32>,
}

/// null, zero, full, random, urandom, tty, console, ptmx, and all pseudo terminals: Docker's list.
/// Making a node of any number is allowed too, as it is there; only opening it is not.
pub(crate) const ALLOWED: &[Allowed] = &[
    Allowed { major: 1, minor: Some(3) },
    Allowed { major: 1, minor: Some(5) },
    Allowed { major: 1, minor: Some(7) },
    Allowed { major: 1, minor: Some(8) },
    Allowed { major: 1, minor: Some(9) },
    Allowed { major: 5, minor: Some(0) },
    Allowed { major: 5, minor: Some(1) },
    Allowed { major: 5, minor: Some(2) },
    Allowed { major: 136, minor: None },
];

/// Restricts a group of the v1 `devices` hierarchy.
pub(super) fn restrict(path: &Path) -> io::Result<()> {
    fs::write(path.join("devices.deny"), "a")?;
    let allow = path.join("devices.allow");
    for rule in ["c *:* m", "b *:* m"] {
        fs::write(&allow, rule)?;
    }
    for Allowed { major, minor } in ALLOWED {
        let minor = minor.map_or_else(|| "*".to_owned(), |minor| minor.to_string());
        fs::write(&allow, format!("c {major}:{minor} rwm"))?;
    }
    Ok(())
}
