//! What processes that were killed have left in their folder.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use tokio::net::UnixStream;

use super::server::LINK;
use crate::record::drafter;

/// What the names of the processes' sockets begin and end with.
const SOCKETS: (&str, &str) = ("proxy-", ".sock");

/// The names of the sockets in a folder, whether somebody listens there or not.
pub(super) fn sockets(run: &Path) -> Vec<String> {
    names(run).into_iter().filter(|name| is_socket(name)).collect()
}

/// Removes from a folder what processes have left there that were killed: sockets, links to them, and drafts. Any
/// process may do so at any time, for a socket has its name only when somebody listens.
pub async fn sweep(run: &Path) {
    for name in names(run) {
        let is_left = match name.strip_suffix(LINK) {
            Some(socket) => is_socket(socket) && is_dead(&run.join(socket)).await,
            None if is_socket(&name) => is_dead(&run.join(&name)).await,
            None => drafter(&name).is_some_and(|pid| fs::symlink_metadata(format!("/proc/{pid}")).is_err()),
        };
        if is_left {
            let _ = fs::remove_file(run.join(name));
        }
    }
}

/// Whether nobody listens at a socket, and nobody ever will. It may be gone as well.
async fn is_dead(socket: &Path) -> bool {
    let connected = UnixStream::connect(socket).await;
    connected.is_err_and(|error| matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound))
}

fn is_socket(name: &str) -> bool {
    name.starts_with(SOCKETS.0) && name.ends_with(SOCKETS.1)
}

fn names(run: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(run) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
}
