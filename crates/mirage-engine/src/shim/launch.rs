//! The launcher: a short-lived child of the shim that starts the container.
//!
//! Everything that needs memory, another mount namespace or another working directory happens there,
//! and is gone when it ends. The container's first process is the shim's own child from the
//! beginning, because the runtime makes it a sibling of the launcher.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, killpg};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, setpgid};
use serde::{Deserialize, Serialize};

use super::container;
use super::spec::ShimSpec;
use crate::cgroup::{Cgroup, Version};
use crate::process;
use crate::runtime::Output;

/// The longest reason for a failed start that is handed on, in bytes.
const MAX_REASON: usize = 2000;

/// A launcher at work.
pub(super) struct Launcher {
    pid: Pid,
    report: File,
    heard: Vec<u8>,
}

/// What a launcher says at its end.
#[derive(Serialize, Deserialize)]
enum Report {
    Started(i32),
    Failed(String),
}

/// What a launcher works with.
pub(super) struct Job<'a> {
    pub(super) dir: &'a Path,
    pub(super) spec: &'a ShimSpec,
    pub(super) group: &'a Cgroup,
    pub(super) version: Version,
}

impl Launcher {
    /// Starts starting. The calling process must have one thread.
    ///
    /// # Errors
    /// Whatever the kernel says to a fork.
    pub(super) fn begin(job: &Job<'_>, output: Output) -> io::Result<Self> {
        let (report, reporter) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&report, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        // A shim has one thread.
        let pid = process::spawn(|| work(job, output, reporter))?;
        Ok(Self { pid, report: File::from(report), heard: Vec::new() })
    }

    /// What to wait on.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.report.as_fd()
    }

    /// The outcome, as soon as there is one.
    pub(super) fn outcome(&mut self) -> Option<Result<i32, String>> {
        let mut bytes = [0; 512];
        loop {
            match self.report.read(&mut bytes) {
                Ok(0) => break,
                Ok(length) => self.heard.extend_from_slice(&bytes[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        Some(match serde_json::from_slice(&self.heard) {
            Ok(Report::Started(pid)) => Ok(pid),
            Ok(Report::Failed(why)) => Err(why),
            Err(_) => Err("the start of the container was broken off".to_owned()),
        })
    }

    /// Kills the launcher and the runtime it may be waiting for.
    pub(super) fn kill(&self) {
        let _ = killpg(self.pid, Signal::SIGKILL);
        let _ = nix::sys::signal::kill(self.pid, Signal::SIGKILL);
    }
}

/// The child's whole life.
fn work(job: &Job<'_>, output: Output, reporter: OwnedFd) -> i32 {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        become_launcher().map_err(|error| format!("Mirage could not prepare the start: {error}"))?;
        container::start(job, output)
    }));
    let report = match outcome {
        Ok(Ok(pid)) => Report::Started(pid),
        Ok(Err(why)) => Report::Failed(shorten(why)),
        Err(_) => Report::Failed("Mirage broke while it started the container".to_owned()),
    };
    let told = serde_json::to_vec(&report).map(|bytes| File::from(reporter).write_all(&bytes));
    i32::from(!matches!(told, Ok(Ok(()))))
}

/// Undoes what belongs to the shim: its children inherit it, and the container would.
fn become_launcher() -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
    umask(Mode::from_bits_truncate(0o022));
    process::default_signals()
}

pub(crate) fn shorten(mut text: String) -> String {
    if text.len() > MAX_REASON {
        let end = (0..=MAX_REASON).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
