//! The memory of processes that know secrets.

use mirage_core::{Error, Result};
use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{Resource, setrlimit};

/// Keeps what this process knows out of core dumps, and its memory and environment from every process that
/// may not trace all others. A program it executes begins without, but for the limit.
///
/// # Errors
/// `INTERNAL` where the kernel does not know how.
pub(crate) fn keep_private() -> Result<()> {
    let kept = set_dumpable(false).and_then(|()| setrlimit(Resource::RLIMIT_CORE, 0, 0));
    kept.map_err(|error| Error::internal("keep its memory out of core dumps", error))
}
