//! WebSockets: bytes both ways, and a close in good order when their backend is to go.
//!
//! The proxy follows the frames (RFC 6455, 5.2) without looking into them, so that it knows where one ends and its
//! own close frame may stand.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::load::Load;

/// Bytes under way in each direction.
const BUFFER: usize = 16 * 1024;

/// How long both sides have to answer the proxy's close frame.
const GOODBYE: Duration = Duration::from_secs(5);

/// A close frame that says 1001, "going away", to a client.
const TO_CLIENT: &[u8] = &[0x88, 0x02, 0x03, 0xe9];

/// The same to a backend, masked as everything from a client is. The mask keeps caches on the way from being
/// misled by what a page chooses to send; nobody chose this.
const TO_BACKEND: &[u8] = &[0x88, 0x82, 0x6d, 0x69, 0x72, 0x61, 0x6d ^ 0x03, 0x69 ^ 0xe9];

/// Opcode of a close frame.
const CLOSE: u8 = 0x8;

/// Carries a WebSocket until both sides have ended, or until its backend is to go and both were told. `early` is
/// what the backend sent with its handshake. Answers with the bytes that went to the backend and to the client.
pub(super) async fn carry<C, B>(client: C, backend: B, early: BytesMut, load: &Load) -> io::Result<(u64, u64)>
where
    C: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let (client_reads, client_writes) = tokio::io::split(client);
    let (backend_reads, backend_writes) = tokio::io::split(backend);
    let early = io::Cursor::new(early);
    let mut to_client = Direction {
        from: early.chain(backend_reads),
        to: client_writes,
        frames: Frames::default(),
        passed: 0,
    };
    let mut to_backend =
        Direction { from: client_reads, to: backend_writes, frames: Frames::default(), passed: 0 };
    let ((), ()) = tokio::try_join!(to_client.run(load, TO_CLIENT), to_backend.run(load, TO_BACKEND))?;
    Ok((to_backend.passed, to_client.passed))
}

/// One way of a WebSocket.
struct Direction<R, W> {
    from: R,
    to: W,
    frames: Frames,
    /// Bytes that were passed on.
    passed: u64,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Direction<R, W> {
    async fn run(&mut self, load: &Load, close: &[u8]) -> io::Result<()> {
        let mut buffer = BytesMut::with_capacity(BUFFER);
        let mut goes = false;
        loop {
            if goes && self.frames.is_between() {
                return self.part(close, &mut buffer, 0).await;
            }
            buffer.clear();
            tokio::select! {
                () = load.goodbye(), if !goes => goes = true,
                read = self.from.read_buf(&mut buffer) => {
                    if read? == 0 {
                        return self.to.shutdown().await;
                    }
                    let passed = self.frames.follow(&buffer, goes);
                    self.to.write_all(&buffer[..passed]).await?;
                    self.passed += passed as u64;
                    if passed < buffer.len() {
                        return self.part(close, &mut buffer, passed).await;
                    }
                }
            }
        }
    }

    /// Closes, between two frames. Nothing may follow a close frame, not even another one, so what the other side still
    /// says, from `passed` on, is only heard for the close frame with which it answers.
    async fn part(&mut self, close: &[u8], buffer: &mut BytesMut, passed: usize) -> io::Result<()> {
        if !self.frames.closed {
            self.to.write_all(close).await?;
        }
        self.frames.follow(&buffer[passed..], false);
        let answer = async {
            while !self.frames.closed {
                buffer.clear();
                if self.from.read_buf(buffer).await? == 0 {
                    break;
                }
                self.frames.follow(buffer, false);
            }
            Ok::<_, io::Error>(())
        };
        let _ = timeout(GOODBYE, answer).await;
        self.to.shutdown().await
    }
}

/// Where in a stream of frames one is.
#[derive(Default)]
struct Frames {
    /// The head of the frame that is coming in.
    head: Vec<u8>,
    /// Bytes of its payload that are still to come.
    left: u64,
    /// Whether a close frame has come.
    closed: bool,
}

impl Frames {
    /// Whether no frame is half-way through.
    fn is_between(&self) -> bool {
        self.head.is_empty() && self.left == 0
    }

    /// Follows the bytes, to the first end of a frame if asked to, and says how many that were.
    fn follow(&mut self, bytes: &[u8], to_end: bool) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            if self.left > 0 {
                let step = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len() - at);
                self.left -= step as u64;
                at += step;
            } else {
                self.head.push(bytes[at]);
                at += 1;
                if let Some(payload) = payload(&self.head) {
                    self.closed |= self.head[0] & 0x0f == CLOSE;
                    self.left = payload;
                    self.head.clear();
                }
            }
            if to_end && self.is_between() {
                break;
            }
        }
        at
    }
}

/// Bytes that follow a head, mask included in the head; `None` while it is not complete.
fn payload(head: &[u8]) -> Option<u64> {
    let second = *head.get(1)?;
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (length, number) = match second & 0x7f {
        126 => (2, u64::from(u16::from_be_bytes([*head.get(2)?, *head.get(3)?]))),
        127 => (8, u64::from_be_bytes(head.get(2..10)?.try_into().ok()?)),
        short => (0, u64::from(short)),
    };
    (head.len() == 2 + length + mask).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_followed_however_they_are_cut() {
        let mut stream = vec![0x81, 0x02, b'h', b'i', 0x82, 126, 0x01, 0x00];
        stream.extend([7; 256]);
        stream.extend([0x89, 0x80, 1, 2, 3, 4, 0x01, 127, 0, 0, 0, 0, 0, 0, 0, 3, 9, 9, 9]);
        let ends = [4, 264, 270, 283];
        for size in [1, 2, 3, 7, 64, 1000] {
            let (mut frames, mut at, mut seen) = (Frames::default(), 0, Vec::new());
            for piece in stream.chunks(size) {
                let mut piece = piece;
                while !piece.is_empty() {
                    let step = frames.follow(piece, true);
                    at += step;
                    piece = &piece[step..];
                    if frames.is_between() {
                        seen.push(at);
                    }
                }
            }
            assert_eq!(seen, ends, "in pieces of {size}");
            assert!(!frames.closed);
        }
    }

    #[test]
    fn a_close_frame_is_recognised() {
        let mut frames = Frames::default();
        frames.follow(TO_CLIENT, false);
        assert!(frames.closed && frames.is_between());
        let mut frames = Frames::default();
        frames.follow(TO_BACKEND, false);
        assert!(frames.closed);
    }

    #[tokio::test]
    async fn both_sides_are_told_between_two_frames() {
        let load = Load::new(1);
        let (client, proxy_client) = tokio::io::duplex(1024);
        let (backend, proxy_backend) = tokio::io::duplex(1024);
        let ((mut client_reads, mut client_writes), (mut backend_reads, mut backend_writes)) =
            (tokio::io::split(client), tokio::io::split(backend));
        let story = async {
            backend_writes.write_all(&[0x81, 0x04, b'h', b'a']).await.unwrap();
            let mut got = [0; 4];
            client_reads.read_exact(&mut got).await.unwrap();
            load.say_goodbye();
            let mut to_backend = vec![0; TO_BACKEND.len()];
            backend_reads.read_exact(&mut to_backend).await.unwrap();
            assert_eq!(to_backend, TO_BACKEND, "nothing was under way there");
            backend_writes.write_all(&[b'l', b'f', 0x81, 0x01, b'x', 0x88, 0x00]).await.unwrap();
            let mut to_client = vec![0; 2 + TO_CLIENT.len()];
            client_reads.read_exact(&mut to_client).await.unwrap();
            assert_eq!(to_client, [b"lf", TO_CLIENT].concat(), "a frame is finished, none is begun");
            client_writes.write_all(TO_BACKEND).await.unwrap();
            let mut rest = Vec::new();
            client_reads.read_to_end(&mut rest).await.unwrap();
            assert!(rest.is_empty());
        };
        let (carried, ()) = tokio::join!(carry(proxy_client, proxy_backend, BytesMut::new(), &load), story);
        carried.unwrap();
    }

    #[tokio::test]
    async fn whoever_has_closed_already_does_not_close_again() {
        let load = Load::new(1);
        let (mut client, proxy_client) = tokio::io::duplex(1024);
        let (mut backend, proxy_backend) = tokio::io::duplex(1024);
        let story = async {
            client.write_all(TO_BACKEND).await.unwrap();
            let mut told = vec![0; TO_BACKEND.len()];
            backend.read_exact(&mut told).await.unwrap();
            load.say_goodbye();
            let mut answer = Vec::new();
            client.read_exact(&mut told[..TO_CLIENT.len()]).await.unwrap();
            assert_eq!(told[..TO_CLIENT.len()], *TO_CLIENT, "the answer that it waits for");
            backend.read_to_end(&mut answer).await.unwrap();
            assert!(answer.is_empty(), "{answer:?}");
            backend.write_all(TO_CLIENT).await.unwrap();
            client.read_to_end(&mut answer).await.unwrap();
            assert!(answer.is_empty(), "{answer:?}");
        };
        let (carried, ()) = tokio::join!(carry(proxy_client, proxy_backend, BytesMut::new(), &load), story);
        carried.unwrap();
    }
}
