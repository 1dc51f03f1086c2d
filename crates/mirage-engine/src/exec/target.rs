//! The container that a command is run in, found so that it cannot be mistaken for another.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};
use nix::sched::CloneFlags;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::message::Answer;
use crate::shim::state::{self, Phase, ProcessMark};

/// How long a runtime may take to become the container's program.
const EXECUTED: Duration = Duration::from_millis(500);

/// How long a first process may take to end after the others, in milliseconds.
const ENDED: u16 = 100;

/// A container's first process, held by a descriptor that no later process of its number has.
pub(super) struct Target {
    process: OwnedFd,
    pid: i32,
}

impl Target {
    /// The first process of the instance of this folder.
    pub(super) fn find(folder: &Path) -> Result<Self, Answer> {
        let state = match state::read(folder) {
            Ok(state) => state,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(gone()),
            Err(error) => return Err(could_not("read how the instance is", &error)),
        };
        let boot = state::boot().map_err(|error| could_not("learn of which boot this is", &error))?;
        let mark = match state.phase {
            Phase::Running { process, .. } | Phase::Stopping { process, .. } if state.boot == boot => process,
            Phase::Starting => return Err(Answer::Gone("its process does not run yet".into())),
            _ => return Err(gone()),
        };
        let process = Pid::from_raw(mark.pid).ok_or_else(gone)?;
        let process = pidfd_open(process, PidfdFlags::empty()).map_err(|_| gone())?;
        // Looked at while we hold it: a number may have come to another process, a descriptor cannot.
        if ProcessMark::of(mark.pid).ok() != Some(mark) {
            return Err(gone());
        }
        Ok(Self { process, pid: mark.pid })
    }

    /// Whether its process is one that others can be put beside: the first of a process namespace that is
    /// not ours, executing the container's program and not the runtime's. That of gVisor is neither.
    pub(super) fn check(&self, runtime: Option<&Path>) -> Result<(), Answer> {
        let refused = || {
            Answer::Refused(
                "this runtime keeps its processes where no other can be started; ask by `--health-path`"
                    .into(),
            )
        };
        let identity = |path: &str| fs::metadata(path).map(|found| (found.dev(), found.ino()));
        let own = identity("/proc/self/ns/pid").map_err(|error| could_not("look at namespaces", &error))?;
        let theirs = identity(&format!("/proc/{}/ns/pid", self.pid)).map_err(|_| gone())?;
        let runs = |runtime: &Path| {
            let runtime = fs::metadata(runtime).map(|found| (found.dev(), found.ino()));
            matches!((identity(&format!("/proc/{}/exe", self.pid)), runtime), (Ok(a), Ok(b)) if a == b)
        };
        let since = Instant::now();
        // A runtime may say that a container has started just before it executes the program.
        while own != theirs && runtime.is_some_and(runs) {
            if since.elapsed() > EXECUTED {
                return Err(refused());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if own == theirs { Err(refused()) } else { Ok(()) }
    }

    /// Enters its namespaces. Processes that are started from here on are in its process namespace too; the
    /// calling one, which must have one thread, stays where its number is.
    pub(super) fn enter(&self) -> Result<(), Answer> {
        let identity = |pid: &str| fs::metadata(format!("/proc/{pid}/ns/user")).map(|found| found.ino());
        let mut all = CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWCGROUP;
        // The kernel refuses to let anybody enter the user namespace that he is in.
        if identity("self").ok() != identity(&self.pid.to_string()).ok() {
            all |= CloneFlags::CLONE_NEWUSER;
        }
        match nix::sched::setns(&self.process, all) {
            Ok(()) => Ok(()),
            Err(nix::errno::Errno::ESRCH) => Err(gone()),
            Err(error) => Err(could_not("enter the container", &error.into())),
        }
    }

    /// Whether it has ended, or does so now: it takes every process of its namespace along first.
    pub(super) fn is_gone(&self) -> bool {
        let mut ended = [PollFd::new(self.process.as_fd(), PollFlags::POLLIN)];
        poll(&mut ended, ENDED).is_ok_and(|count| count > 0)
    }
}

/// The answer where there is no process to be put beside.
pub(super) fn gone() -> Answer {
    Answer::Gone("its process does not run any more".into())
}

/// The answer where the machine said no.
pub(super) fn could_not(what: &str, error: &io::Error) -> Answer {
    Answer::Broken(format!("Mirage could not {what}: {error}"))
}
