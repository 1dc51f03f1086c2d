//! Open files on their way from one process to another (`SCM_RIGHTS`).

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::cmsg_space;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

/// The most descriptors in one message; the kernel takes 253.
pub(super) const BATCH: usize = 64;

/// Sends one message with up to 64 descriptors.
///
/// # Errors
/// Whatever the kernel says.
pub fn send(socket: BorrowedFd<'_>, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let raw: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    // Descriptors travel beside at least one byte.
    let payload = [IoSlice::new(b"\n")];
    sendmsg::<()>(socket.as_raw_fd(), &payload, &rights, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// Receives one message's descriptors. They are closed on exec.
///
/// # Errors
/// `UnexpectedEof` where nothing comes, otherwise whatever the kernel says.
pub fn receive(socket: BorrowedFd<'_>) -> io::Result<Vec<OwnedFd>> {
    let mut byte = [0];
    let mut payload = [IoSliceMut::new(&mut byte)];
    let mut space = cmsg_space!([RawFd; BATCH]);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut payload, Some(&mut space), flags)?;
    if message.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut descriptors = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = control {
            for descriptor in raw {
                // SAFETY: the kernel has just opened this descriptor for this process and nobody
                // else knows its number, so it is ours alone to close.
                descriptors.push(unsafe { OwnedFd::from_raw_fd(descriptor) });
            }
        }
    }
    Ok(descriptors)
}
