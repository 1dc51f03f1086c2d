//! A netlink socket, blocking with a deadline.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, setsockopt, socket,
    sockopt,
};
use nix::sys::time::TimeVal;

use super::message::{HEADER, Message};

/// Seconds after which a silent kernel is an error.
const DEADLINE: i64 = 10;
/// Room for what the kernel sends at once; it never sends more than 32 KiB of a dump.
const BUFFER: usize = 64 * 1024;
/// Messages of a dump that are read at most.
const MAX_REPLIES: usize = 200_000;
/// Type of an error or acknowledgement, and of the end of a dump.
const ERROR: u16 = libc::NLMSG_ERROR as u16;
const DONE: u16 = libc::NLMSG_DONE as u16;

/// Whom to talk to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Links, addresses and routes.
    Route,
    /// nf_tables.
    Netfilter,
}

/// A message from the kernel: its type, and what follows the netlink header.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// Message type.
    pub(crate) kind: u16,
    /// The family's own header and the attributes.
    pub(crate) body: Vec<u8>,
}

/// A connection to the kernel, for the network namespace of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    sequence: u32,
}

impl Socket {
    /// Opens a connection.
    pub(crate) fn open(family: Family) -> io::Result<Self> {
        let protocol = match family {
            Family::Route => SockProtocol::NetlinkRoute,
            Family::Netfilter => SockProtocol::NetlinkNetFilter,
        };
        let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
        setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::new(DEADLINE, 0))?;
        Ok(Self { fd, sequence: 0 })
    }

    /// Sends one message and waits until the kernel has done it.
    pub(crate) fn request(&mut self, message: Message) -> io::Result<()> {
        self.transact(vec![message])
    }

    /// Sends messages in one go and waits until the kernel has gone through all of them; the first
    /// error it reports is the answer. Only the last message asks for an acknowledgement, because
    /// errors are reported anyway and a thousand acknowledgements overflow the socket.
    pub(crate) fn transact(&mut self, messages: Vec<Message>) -> io::Result<()> {
        let first = self.sequence.wrapping_add(1);
        let last = self.send(messages, true)?;
        self.outcome(first, last)
    }

    /// Sends an nf_tables transaction: `messages` between the marks of a batch, whose end the kernel
    /// does not acknowledge. All of it happens, or nothing.
    pub(crate) fn transact_batch(
        &mut self,
        begin: Message,
        mut messages: Vec<Message>,
        end: Message,
    ) -> io::Result<()> {
        let Some(last) = messages.pop() else { return Ok(()) };
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        for message in std::iter::once(begin).chain(messages) {
            bytes.extend(self.number(message, false));
        }
        bytes.extend(self.number(last, true));
        let last = self.sequence;
        bytes.extend(self.number(end, false));
        self.write(&bytes)?;
        self.outcome(first, last)
    }

    /// Asks for everything of a kind.
    pub(crate) fn dump(&mut self, message: &Message) -> io::Result<Vec<Reply>> {
        // A table that changes while it is read is read again; the last reading stands.
        for _ in 0..3 {
            let (replies, interrupted) = self.dump_once(message.clone())?;
            if !interrupted {
                return Ok(replies);
            }
        }
        Ok(self.dump_once(message.clone())?.0)
    }

    fn dump_once(&mut self, message: Message) -> io::Result<(Vec<Reply>, bool)> {
        let sequence = self.send(vec![message], false)?;
        let (mut replies, mut interrupted) = (Vec::new(), false);
        loop {
            let bytes = self.receive(MsgFlags::empty())?.ok_or(io::ErrorKind::TimedOut)?;
            for (header, body) in split(&bytes) {
                if header.sequence != sequence {
                    continue;
                }
                interrupted |= header.flags & libc::NLM_F_DUMP_INTR as u16 != 0;
                match header.kind {
                    ERROR => error_of(body)?,
                    DONE => {}
                    kind => replies.push(Reply { kind, body: body.to_vec() }),
                }
                if matches!(header.kind, ERROR | DONE) {
                    return Ok((replies, interrupted));
                }
            }
            if replies.len() > MAX_REPLIES {
                return Err(io::Error::other("the kernel's table is too large to read"));
            }
        }
    }

    /// The first error among the answers to messages `first` to `last`. The kernel works while we
    /// send, so every answer is there by now; a batch that it gave up early lacks the later ones.
    fn outcome(&self, first: u32, last: u32) -> io::Result<()> {
        let mut outcome = None;
        while let Some(bytes) = self.receive(MsgFlags::MSG_DONTWAIT)? {
            for (header, body) in split(&bytes) {
                if header.kind != ERROR || !between(first, header.sequence, last) {
                    continue;
                }
                match error_of(body) {
                    Err(error) => outcome = outcome.or(Some(Err(error))),
                    Ok(()) if header.sequence == last => outcome = outcome.or(Some(Ok(()))),
                    Ok(()) => {}
                }
            }
        }
        outcome.unwrap_or_else(|| Err(io::Error::other("the kernel did not answer")))
    }

    fn send(&mut self, messages: Vec<Message>, acknowledge: bool) -> io::Result<u32> {
        let count = messages.len();
        let mut bytes = Vec::new();
        for (index, message) in messages.into_iter().enumerate() {
            bytes.extend(self.number(message, acknowledge && index + 1 == count));
        }
        self.write(&bytes)?;
        Ok(self.sequence)
    }

    fn number(&mut self, message: Message, acknowledge: bool) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        message.finish(self.sequence, acknowledge)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        // A transaction is one datagram, and that of many environments is larger than usual.
        if bytes.len() > BUFFER {
            setsockopt(&self.fd, sockopt::SndBufForce, &(2 * bytes.len()))?;
        }
        sendto(self.fd.as_raw_fd(), bytes, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
        Ok(())
    }

    /// What the kernel has to say; `None` where that is nothing (yet).
    fn receive(&self, flags: MsgFlags) -> io::Result<Option<Vec<u8>>> {
        let mut buffer = vec![0; BUFFER];
        loop {
            match recv(self.fd.as_raw_fd(), &mut buffer, flags) {
                Ok(length) => {
                    buffer.truncate(length);
                    return Ok(Some(buffer));
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The fields of a netlink header that matter here.
struct Header {
    kind: u16,
    flags: u16,
    sequence: u32,
}

/// Cuts what was received into messages; what does not fit is left out.
fn split(mut bytes: &[u8]) -> Vec<(Header, &[u8])> {
    let mut messages = Vec::new();
    while let Some((length, header)) = header(bytes) {
        let Some(body) = bytes.get(HEADER..length) else { break };
        messages.push((header, body));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    messages
}

fn header(bytes: &[u8]) -> Option<(usize, Header)> {
    let u16_at = |at: usize| Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let length = u32_at(0)? as usize;
    Some((length, Header { kind: u16_at(4)?, flags: u16_at(6)?, sequence: u32_at(8)? }))
}

/// Whether a sequence number, which wraps around, is one of those we sent.
fn between(first: u32, sequence: u32, last: u32) -> bool {
    sequence.wrapping_sub(first) <= last.wrapping_sub(first)
}

/// The error in the body of an `NLMSG_ERROR`; 0 is the acknowledgement.
fn error_of(body: &[u8]) -> io::Result<()> {
    match body.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes)) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}
