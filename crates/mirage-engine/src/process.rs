//! Becoming another process.

use std::fs::File;
use std::io::{self, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{ForkResult, Pid, fork};

/// Does `work` in a child, whose exit code is what `work` answers with. The calling process must have one
/// thread.
///
/// # Errors
/// Whatever the kernel says to a fork.
pub(crate) fn spawn(work: impl FnOnce() -> i32) -> io::Result<Pid> {
    // SAFETY: who calls this has one thread, so no lock can be held by another one in the child, which may
    // then allocate and do all else that this process may.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let code = catch_unwind(AssertUnwindSafe(work)).unwrap_or(1);
            std::process::exit(code)
        }
    }
}

/// The processes of a session that have not ended, by its leader's number. None where `/proc` cannot be read.
pub(crate) fn of_session(leader: i32) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let all = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(|pid| session(*pid) == Some(leader)).collect()
}

/// The session of a process that has not ended.
fn session(pid: i32) -> Option<i32> {
    let stat = stat(pid).ok()?;
    let mut fields = stat.split_ascii_whitespace();
    let state = fields.next()?;
    (!matches!(state, "Z" | "X")).then(|| fields.nth(2)?.parse().ok()).flatten()
}

/// What `/proc/<pid>/stat` says after the program's name: fields with a space between them, the third one first.
///
/// # Errors
/// `NotFound` where there is no such process, otherwise whatever reading `/proc` gives.
pub(crate) fn stat(pid: i32) -> io::Result<String> {
    let mut text = Vec::with_capacity(256);
    File::open(format!("/proc/{pid}/stat"))?.take(4096).read_to_end(&mut text)?;
    // The second field is the program's name in parentheses, and may itself hold any byte.
    let end = text.iter().rposition(|byte| *byte == b')');
    let fields = end.and_then(|end| String::from_utf8(text.split_off(end + 1)).ok());
    fields.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unreadable stat"))
}

/// Undoes what this process does to signals, for a program that is executed next: SIGPIPE is ignored by every
/// Rust program, others by whoever started the platform.
///
/// # Errors
/// Whatever the kernel says.
pub(crate) fn default_signals() -> io::Result<()> {
    SigSet::empty().thread_set_mask()?;
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in Signal::iterator().filter(|signal| ![Signal::SIGKILL, Signal::SIGSTOP].contains(signal)) {
        // SAFETY: no handler is installed, a default is restored.
        unsafe { sigaction(signal, &default) }?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_have_any_name() {
        let odd = c"\xff) S 1".to_owned();
        let named = std::thread::spawn(move || {
            nix::sys::prctl::set_name(&odd).unwrap();
            stat(nix::unistd::gettid().as_raw()).unwrap()
        });
        let (named, own) = (named.join().unwrap(), stat(std::process::id().cast_signed()).unwrap());
        let parent = |fields: &str| fields.split_ascii_whitespace().nth(1).map(str::to_owned);
        assert_eq!(parent(&named), parent(&own));
        assert!(stat(-1).is_err());
    }
}
