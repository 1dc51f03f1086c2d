//! The program: started with a profile of its own, ended with its last trace.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use tempfile::TempDir;

use nix::unistd::geteuid;

use super::page::Page;
use super::relay::Relay;
use super::wire::Wire;
use crate::bed::{Process, is_installed, skipped};
use crate::settings;

/// Nothing is looked up anywhere, and nothing is kept.
const FLAGS: [&str; 13] = [
    "--headless",
    // Root may not have one, and nothing is shown here that is not ours.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    // Machines of tests have little shared memory.
    "--disable-dev-shm-usage",
    // The same picture on every machine.
    "--force-color-profile=srgb",
    "--hide-scrollbars",
];

/// Chromium without a window. Dropping it ends it, and so does the end of the process that started it.
pub struct Browser {
    // Fields are dropped in this order: the program is ended before its folder is removed.
    wire: Arc<Wire>,
    process: Process,
    _folder: TempDir,
}

impl Browser {
    /// Whether there is one; says that the test is skipped where there is none.
    pub fn is_here(test: &str) -> bool {
        let is_here = ["chromium", "busybox"].iter().all(|program| is_installed(program));
        if !is_here {
            skipped(test, "needs `chromium`; `cargo xtask test` installs it");
        }
        is_here
    }

    /// Starts one.
    ///
    /// # Errors
    /// Where it cannot be started or does not answer; what it wrote is in the message.
    pub fn start() -> Result<Self> {
        // The pipes come as 0 and 1, because no other number passes without `unsafe`.
        const HANDED: &str = "busybox ip link set lo up; exec 3<&0 4>&1 </dev/null >/dev/null; exec \"$@\"";
        // Who is not root has no network to give away: see `reach`.
        let apart: &[&str] = if geteuid().is_root() { &["unshare", "-n"] } else { &[] };
        let folder = tempfile::Builder::new().prefix("mirage-browser-").tempdir()?;
        let ((theirs_in, ours_out), (ours_in, theirs_out)) = (std::io::pipe()?, std::io::pipe()?);
        let mut command = Command::new("busybox");
        command.env_clear().env("PATH", settings::path()).env("HOME", folder.path()).env("LC_ALL", "C.UTF-8");
        command
            .args(apart)
            .args(["sh", "-c", HANDED, "browser", "chromium"])
            .args(FLAGS)
            .arg("--remote-debugging-pipe");
        command.arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
        command.stdin(theirs_in).stdout(theirs_out);
        let process = Process::start_piped(&mut command, folder.path(), "chromium")?;
        // With it go our copies of its ends of the pipes.
        drop(command);
        let browser = Self { wire: Arc::new(Wire::new(ours_out, ours_in)), process, _folder: folder };
        let version = browser.wire.ask(None, "Browser.getVersion", json!({}));
        version.with_context(|| browser.process.stderr())?;
        Ok(browser)
    }

    /// Lets it reach a port of this machine's loopback, and through a line that can be cut. Chromium gives up what it
    /// asks whenever an address of the machine comes or goes (`ERR_NETWORK_CHANGED`), as they do with every
    /// container; so, started by root, it has a network of its own, in which there is nothing but such ports.
    ///
    /// # Errors
    /// Where there is something at this port already.
    pub fn reach(&self, port: u16) -> Result<Relay> {
        match geteuid().is_root() {
            true => Relay::within(&format!("/proc/{}/ns/net", self.id()), port),
            false => Relay::to(port),
        }
    }

    /// A new tab that shares nothing with others, for the pages of a platform at this port of loopback.
    ///
    /// # Errors
    /// Where Chromium refuses.
    pub fn open(&self, port: u16) -> Result<Page> {
        self.open_by(&self.reach(port)?)
    }

    /// The same through this line.
    ///
    /// # Errors
    /// Where Chromium refuses.
    pub fn open_by(&self, relay: &Relay) -> Result<Page> {
        let context =
            self.wire.ask(None, "Target.createBrowserContext", json!({}))?["browserContextId"].clone();
        Page::within(self.wire.clone(), &context, format!("http://127.0.0.1:{}", relay.port()))
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.wire.close();
        // It ends by itself then, with all of its processes; one that does not is killed next.
        self.process.wait(Duration::from_secs(5)).ok();
    }
}
