//! The parent of a command, in the container: it collects what the command leaves behind.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use libcontainer::capabilities::drop_privileges;
use libcontainer::syscall::syscall::create_syscall;
use mirage_core::ExecEnding;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use serde::{Deserialize, Serialize};

use super::command::{self, Job};
use crate::process;
use crate::shim::launch::shorten;

/// What comes out of the container, a line of JSON each.
#[derive(Serialize, Deserialize)]
pub(super) enum Report {
    /// The command could not be executed, and why.
    Refused(String),
    /// The command ended.
    Ended(ExecEnding),
}

/// Lives until nothing of the command is left; its exit code says nothing.
pub(super) fn reap(job: Job<'_>, report: OwnedFd) -> i32 {
    let prepared = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)
        .and_then(|()| nix::sys::prctl::set_child_subreaper(true))
        .map_err(Into::into)
        .and_then(|()| process::spawn(|| execute(&job, &report)));
    // Nobody could say any more that the output has an end.
    drop(job);
    let command = match prepared {
        Ok(command) => command,
        Err(error) => {
            tell(&report, &Report::Refused(format!("Mirage could not start a process: {error}")));
            return 1;
        }
    };
    give_up_rights();
    loop {
        let (pid, ending) = match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) => (pid, ExecEnding::Code(code)),
            Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, ExecEnding::Signal(signal as i32)),
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(_) => return 0,
        };
        if pid == command {
            tell(&report, &Report::Ended(ending));
        }
    }
}

fn execute(job: &Job<'_>, report: &OwnedFd) -> i32 {
    match command::execute(job) {
        Ok(never) => match never {},
        Err(why) => tell(report, &Report::Refused(shorten(why))),
    }
    1
}

/// It only waits from here on.
fn give_up_rights() {
    if let Ok(none) = command::capabilities(&[], &[]) {
        let _ = drop_privileges(&none, create_syscall().as_ref());
    }
}

/// Short enough for the kernel to write it in one piece.
fn tell(pipe: &OwnedFd, report: &Report) {
    if let (Ok(pipe), Ok(mut line)) = (pipe.try_clone(), serde_json::to_vec(report)) {
        line.push(b'\n');
        let _ = File::from(pipe).write_all(&line);
    }
}
