//! Becoming another process.

use std::io;
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
