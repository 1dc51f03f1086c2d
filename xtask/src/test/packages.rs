//! What the tests need of Debian, installed by its own means.

use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;

use crate::bed::is_installed;

/// A program the tests start, or another file they need, and the Debian package that has it.
const NEEDED: &[(&str, &str)] = &[
    ("docker-registry", "docker-registry"),
    ("skopeo", "skopeo"),
    ("openssl", "openssl"),
    ("curl", "curl"),
    ("pebble", "pebble"),
    ("runc", "runc"),
    ("busybox", "busybox-static"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("fsck.erofs", "erofs-utils"),
    ("chromium", "chromium"),
    // Without a font there is no text on its pages.
    ("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "fonts-dejavu-core"),
];

/// Installs what is missing where this is root on Debian; elsewhere says what is missing.
pub(super) fn install() -> Result<()> {
    let missing: Vec<&str> =
        NEEDED.iter().filter(|(program, _)| !is_installed(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !geteuid().is_root() || !is_installed("apt-get") {
        println!("missing: {}; the tests that need them are skipped", missing.join(" "));
        return Ok(());
    }
    println!("installing {}", missing.join(" "));
    // An old package list is the usual reason for a package that cannot be had.
    if apt_get(&[&["install", "--yes", "--no-install-recommends"], missing.as_slice()].concat()).is_err() {
        apt_get(&["update"])?;
        apt_get(&[&["install", "--yes", "--no-install-recommends"], missing.as_slice()].concat())?;
    }
    Ok(())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .arg("--quiet")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .context("`apt-get` cannot be started")?;
    if !status.success() {
        bail!("`apt-get {}` ends with {status}", arguments.join(" "));
    }
    Ok(())
}
