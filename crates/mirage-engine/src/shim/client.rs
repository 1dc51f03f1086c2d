//! The other side of a shim's socket, without an opinion on how bytes are moved.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::message::{MAX_LINE, Request};
use super::state::ShimState;

/// Name of the socket in the instance's folder.
pub const SOCKET_FILE: &str = "s";

/// A name for the shim's socket that fits into the 108 bytes of a socket address, however long the
/// path of the folder is: it goes through a descriptor of the folder, and is good while this lives.
#[derive(Debug)]
pub struct SocketName {
    folder: File,
}

impl SocketName {
    /// Opens the instance's folder.
    ///
    /// # Errors
    /// Whatever opening a folder gives, `NotFound` above all.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
        Ok(Self { folder: File::options().read(true).custom_flags(flags).open(dir)? })
    }

    /// What to connect to (or to bind, in the shim).
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{SOCKET_FILE}", self.folder.as_raw_fd()))
    }
}

/// A request as the bytes to send.
pub fn encode(request: &Request) -> Vec<u8> {
    let mut line = serde_json::to_vec(request).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Cuts what a shim sends into states.
#[derive(Debug, Default)]
pub struct Decoder {
    rest: Vec<u8>,
}

impl Decoder {
    /// Takes bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
    }

    /// The next whole state, if one has arrived.
    ///
    /// # Errors
    /// `InvalidData` where a line is too long or no state; the connection is of no use afterwards.
    pub fn next_state(&mut self) -> io::Result<Option<ShimState>> {
        next_line(&mut self.rest)
    }
}

/// Takes one line of JSON off the front of `buffer`.
pub(super) fn next_line<T: serde::de::DeserializeOwned>(buffer: &mut Vec<u8>) -> io::Result<Option<T>> {
    let invalid = |error: String| io::Error::new(io::ErrorKind::InvalidData, error);
    let Some(end) = buffer.iter().position(|byte| *byte == b'\n') else {
        return if buffer.len() >= MAX_LINE { Err(invalid("endless line".into())) } else { Ok(None) };
    };
    let line: Vec<u8> = buffer.drain(..=end).collect();
    if line.len() > MAX_LINE {
        return Err(invalid("line too long".into()));
    }
    serde_json::from_slice(&line).map(Some).map_err(|error| invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"instance":"00000000-0000-4000-8000-000000000001","service":"00000000-0000-4000-8000-000000000002","deployment":"00000000-0000-4000-8000-000000000003","shim":{"pid":4,"started":5},"boot":"b","state":"running","pid":6,"started":7,"since":"2026-11-21T02:03:04Z"}"#;

    #[test]
    fn states_are_cut_out_of_whatever_pieces_arrive() {
        let bytes = format!("{LINE}\n{LINE}\n");
        for size in [1, 7, 300, 4096] {
            let (mut decoder, mut states) = (Decoder::default(), 0);
            for piece in bytes.as_bytes().chunks(size) {
                decoder.push(piece);
                while let Some(state) = decoder.next_state().unwrap() {
                    assert_eq!(serde_json::to_string(&state).unwrap(), LINE);
                    states += 1;
                }
            }
            assert_eq!(states, 2, "in pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_state_or_has_no_end_is_refused() {
        let refused = |bytes: &[u8]| {
            let mut decoder = Decoder::default();
            decoder.push(bytes);
            decoder.next_state().is_err()
        };
        assert!(refused(b"hello\n"));
        assert!(refused(&vec![b'x'; MAX_LINE]));
        assert!(!refused(&vec![b'x'; MAX_LINE - 1]));
    }
}
