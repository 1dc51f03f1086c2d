//! The processes that a shim is the parent of, or becomes it when theirs ends.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use super::life::Ending;

/// Every child that has ended.
pub(super) fn reap() -> Vec<(i32, Ending)> {
    let mut ended = Vec::new();
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => ended.push((pid.as_raw(), Ending::Code(code))),
            Ok(WaitStatus::Signaled(pid, signal, _)) => {
                ended.push((pid.as_raw(), Ending::Signal(signal as i32)))
            }
            Ok(WaitStatus::StillAlive) | Err(_) => return ended,
            Ok(_) => {}
        }
    }
}

/// Kills every child and waits for it, for at most `limit`. There is none but what another runtime
/// left behind outside of the control group.
pub(super) fn end_all(limit: Duration) {
    let since = Instant::now();
    loop {
        reap();
        // The file is missing from kernels without CONFIG_PROC_CHILDREN, which are rare and small.
        let children = fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
        if children.trim().is_empty() || since.elapsed() > limit {
            return;
        }
        children
            .split_ascii_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .for_each(|pid| send(pid, libc::SIGKILL));
        thread::sleep(Duration::from_millis(1));
    }
}

/// nix knows no real-time signals, and images may ask for them.
pub(super) fn send(pid: i32, signal: i32) {
    // SAFETY: no memory is involved. The process is our child and has not been waited for, so the
    // number is still its own.
    unsafe { libc::kill(pid, signal) };
}
