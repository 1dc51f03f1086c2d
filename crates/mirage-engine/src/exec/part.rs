//! Where in a container's control group a command is: in a part of its own, named after its runner.
//!
//! A runner whose control plane was killed still ends its command when the next runner begins. With a name of its
//! own each ends what is its own, and what a runner left that was killed itself is ended by the next one.

use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::message::Answer;
use super::target::{could_not, gone};
use crate::cgroup::{Hierarchies, Part};
use crate::shim::ShimSpec;
use crate::shim::state::ProcessMark;

/// What every part is called first, and what runners of earlier versions called theirs.
const NAME: &str = "exec";

/// Makes the part for the command of this process. What was left of others is killed, each for at most `limit`.
pub(super) fn open(spec: &ShimSpec, limit: Duration) -> Result<Part, Answer> {
    let own = ProcessMark::of(std::process::id().cast_signed()).map(name);
    let group = Hierarchies::detect().and_then(|hierarchies| hierarchies.group(&spec.cgroup));
    let part = group.and_then(|group| Part::open(&group, &own?, is_left, limit));
    part.map_err(|error| match error.kind() {
        ErrorKind::NotFound => gone(),
        _ => could_not("make a control group for the command", &error),
    })
}

fn name(runner: ProcessMark) -> String {
    format!("{NAME}-{}-{}", runner.pid, runner.started)
}

/// Whether a part of this name is a command's whose runner is gone.
fn is_left(name: &str) -> bool {
    let runner = |rest: &str| {
        let (pid, started) = rest.strip_prefix('-')?.split_once('-')?;
        Some(ProcessMark { pid: pid.parse().ok()?, started: started.parse().ok()? })
    };
    match name.strip_prefix(NAME) {
        Some("") => true,
        Some(rest) => runner(rest).is_some_and(|runner| !runs(runner)),
        None => false,
    }
}

/// Whether it is still there; one that has ended and that nobody has collected is not.
fn runs(runner: ProcessMark) -> bool {
    let Some(Ok(process)) = Pid::from_raw(runner.pid).map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
        return false;
    };
    let mut ended = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    runner.exists() && poll(&mut ended, PollTimeout::ZERO).is_ok_and(|count| count == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_runner_left_is_told_from_what_one_has() {
        let own = ProcessMark::of(std::process::id().cast_signed()).unwrap();
        assert!(!is_left(&name(own)));
        assert!(is_left(&name(ProcessMark { started: own.started + 1, ..own })));
        assert!(is_left("exec"), "earlier versions had one name for all");
        for other in ["", "executor", "exec-", "exec-1", "exec-x-y", "exec--1-2", "cgroup.procs", "init"] {
            assert!(!is_left(other), "{other}");
        }
        let mut ended = std::process::Command::new("/bin/true").spawn().unwrap();
        let mark = ProcessMark::of(ended.id().cast_signed()).unwrap();
        while runs(mark) {
            std::thread::yield_now();
        }
        assert!(is_left(&name(mark)), "nobody has collected it yet");
        ended.wait().unwrap();
        assert!(is_left(&name(mark)));
    }
}
