//! Kernel settings of the network namespace that the thread is in.

use std::fs;
use std::io;
use std::path::PathBuf;

/// Reads a setting such as `net/ipv4/ip_forward`; `None` where the kernel does not have it.
pub(crate) fn get(name: &str) -> io::Result<Option<String>> {
    match fs::read_to_string(path(name)) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Changes a setting that has another value; one that the kernel does not have needs no change.
/// Answers whether there was something to do.
pub(crate) fn set(name: &str, value: &str) -> io::Result<bool> {
    match get(name)? {
        Some(old) if old != value => fs::write(path(name), value).map(|()| true),
        _ => Ok(false),
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from("/proc/sys").join(name)
}
